using System.Buffers.Binary;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Fuzz.Tests;

/// <summary>Whole requests, header and body, as a connection hands them to the decoder.</summary>
public sealed class RequestTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const int CasesPerRun = 200;

    [Fact]
    public void A_valid_request_is_split_into_its_header_and_body() => Try("valid request", (random, api, version) =>
    {
        var header = HeaderOf(api, version, random);
        var body = Sample.Of(Codec.All[api.Name + "Request"].Spec, version, random);
        Assert.True(RequestDecoder.TryRead(header.Concat(body.Bytes).ToArray(), api.Key, version, out var clientId, out var request), "refused");
        RequestHeader.TryRead(header, ApiCatalog.RequestHeaderVersion(api.Key, version), out var expected);
        Assert.Equal(expected!.ClientId, clientId);
        Assert.Equal($"{api.Name}Request", request.GetType().Name);
    });

    [Fact]
    public void A_damaged_request_never_throws() => Try("damaged request", (random, api, version) =>
    {
        var header = HeaderOf(api, version, random);
        var body = Sample.Of(Codec.All[api.Name + "Request"].Spec, version, random);
        var damaged = Damage.Apply([.. header, .. body.Bytes], [], random);
        if (RequestDecoder.TryRead(damaged, api.Key, version, out _, out var request))
        {
            Codec.Write(request, version);
        }
    });

    [Fact]
    public void An_api_or_version_that_nobody_knows_is_refused() => Try("unknown api", (random, api, version) =>
    {
        var frame = new byte[random.Next(40)];
        random.NextBytes(frame);
        var key = (short)random.Next(short.MinValue, short.MaxValue + 1);
        var isKnown = ApiCatalog.Find(key) is not null;
        Assert.False(!isKnown && RequestDecoder.TryRead(frame, key, version, out _, out _), $"API key {key} was read");
        var beyond = (short)random.Next(api.MaxVersion + 1, short.MaxValue + 1);
        Assert.False(RequestDecoder.TryRead(frame, api.Key, beyond, out _, out _), $"{api.Name} v{beyond} was read");
        Assert.False(RequestDecoder.TryRead(frame, api.Key, (short)(-1 - version), out _, out _), $"{api.Name} v{-1 - version} was read");
    });

    private void Try(string subject, Action<Random, ApiInfo, short> attempt)
    {
        output.WriteLine($"FUZZ_SEED={Fuzzing.Seed} FUZZ_COUNT={Fuzzing.Count}");
        Fuzzing.Try(subject, CasesPerRun * Fuzzing.Count, random =>
        {
            var api = ApiCatalog.All[random.Next(ApiCatalog.All.Count)];
            attempt(random, api, (short)random.Next(api.MinVersion, api.MaxVersion + 1));
        });
    }

    private static byte[] HeaderOf(ApiInfo api, short version, Random random)
    {
        var header = Sample.Of(Codec.All["RequestHeader"].Spec, ApiCatalog.RequestHeaderVersion(api.Key, version), random).Bytes;
        BinaryPrimitives.WriteInt16BigEndian(header, api.Key);
        BinaryPrimitives.WriteInt16BigEndian(header.AsSpan(2), version);
        return header;
    }
}
