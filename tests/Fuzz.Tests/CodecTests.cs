using Milena.Protocol;

namespace Milena.Fuzz.Tests;

/// <summary>Every decoder of every request, response and record in every version, against valid and hostile bytes.</summary>
public sealed class CodecTests(Xunit.Abstractions.ITestOutputHelper output)
{
    // A message object and its lists cost something even when it says nothing; beyond that, each byte that came may cost as much as
    // the densest messages do: structs of a few bytes that hold several empty lists.
    private const int AllocatedAtLeast = 2048;
    private const int AllocatedPerByte = 40;
    private const int DenseCases = 8;

    public static TheoryData<string> Names => [.. Codec.All.Keys.Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_valid_message_is_read_and_written_as_it_was(string name) => EachVersion(name, "valid", (codec, version, random) =>
    {
        var sample = Sample.Of(codec.Spec, version, random);
        Assert.True(codec.TryRead(sample.Bytes, version, out var message), $"refused {Convert.ToHexString(sample.Bytes)}");
        var written = Codec.Write(message!, version);
        if (!sample.HasUnknownTags)
        {
            Assert.Equal(Convert.ToHexString(sample.Bytes), Convert.ToHexString(written));
        }

        AssertReadsAgain(codec, version, written);
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void Hostile_bytes_never_throw_nor_allocate_beyond_their_length(string name)
    {
        var worst = 0.0;
        EachVersion(name, "hostile", (codec, version, random) =>
        {
            var sample = Sample.Of(codec.Spec, version, random);
            var bytes = Damage.Apply(sample.Bytes, sample.Lengths, random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var isRead = codec.TryRead(bytes, version, out var message);
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            worst = Math.Max(worst, (double)(allocated - AllocatedAtLeast) / Math.Max(bytes.Length, 1));
            Assert.True(
                allocated <= AllocatedAtLeast + ((long)AllocatedPerByte * bytes.Length),
                $"{allocated} bytes allocated for {bytes.Length}: {Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, 200)))}");
            if (isRead)
            {
                AssertReadsAgain(codec, version, Codec.Write(message!, version));
            }
        });
        output.WriteLine($"at worst {worst:F1} bytes allocated a byte, beyond the first {AllocatedAtLeast}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_densest_messages_allocate_no_more_than_their_length_allows(string name)
    {
        var worst = 0.0;
        EachVersion(name, "dense", cases: DenseCases, attempt: (codec, version, random) =>
        {
            if (Sample.Dense(codec.Spec, version, random) is { } sample)
            {
                var bytes = sample.Bytes;
                var before = GC.GetAllocatedBytesForCurrentThread();
                var isRead = codec.TryRead(bytes, version, out _);
                var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                worst = Math.Max(worst, (double)(allocated - AllocatedAtLeast) / bytes.Length);
                Assert.True(isRead, "refused");
                Assert.True(allocated <= AllocatedAtLeast + ((long)AllocatedPerByte * bytes.Length), $"{allocated} bytes allocated for {bytes.Length}");
            }
        });
        output.WriteLine($"at worst {worst:F1} bytes allocated a byte, beyond the first {AllocatedAtLeast}");
    }

    private void EachVersion(string name, string kind, Action<Codec, short, Random> attempt, int? cases = null)
    {
        output.WriteLine($"FUZZ_SEED={Fuzzing.Seed} FUZZ_COUNT={Fuzzing.Count}");
        var codec = Codec.All[name];
        foreach (var version in codec.Versions)
        {
            Fuzzing.Try($"{kind} {name} v{version}", cases ?? Fuzzing.Count, random => attempt(codec, version, random));
        }
    }

    private static void AssertReadsAgain(Codec codec, short version, byte[] written)
    {
        Assert.True(codec.TryRead(written, version, out var again), $"refused its own {Convert.ToHexString(written)}");
        Assert.Equal(Convert.ToHexString(written), Convert.ToHexString(Codec.Write(again!, version)));
    }
}
