using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Kafka's frames around the quorum's messages: an int32 size, a header, the body in its highest version.</summary>
internal static class QuorumFrames
{
    private const string ClientId = "quorum";

    /// <summary>Reads one frame without its size; null when the other side closed, or announces more than <paramref name="maxBytes"/>.</summary>
    public static async ValueTask<byte[]?> ReadAsync(Stream stream, int maxBytes, CancellationToken cancel)
    {
        var size = new byte[sizeof(int)];
        if (await stream.ReadAtLeastAsync(size, size.Length, throwOnEndOfStream: false, cancel) < size.Length)
        {
            return null;
        }

        var length = BinaryPrimitives.ReadInt32BigEndian(size);
        if (length <= 0 || length > maxBytes)
        {
            return null;
        }

        var frame = new byte[length];
        return await stream.ReadAtLeastAsync(frame, length, throwOnEndOfStream: false, cancel) == length ? frame : null;
    }

    public static byte[] Request(short key, int correlationId, IRequestMessage request)
    {
        var version = ApiCatalog.Find(key)!.MaxVersion;
        var header = new RequestHeader { RequestApiKey = key, RequestApiVersion = version, CorrelationId = correlationId, ClientId = ClientId };
        return Frame(header, ApiCatalog.RequestHeaderVersion(key, version), request, version);
    }

    public static byte[] Response(RequestHeader to, IResponseMessage response) => Frame(
        new ResponseHeader { CorrelationId = to.CorrelationId },
        ApiCatalog.ResponseHeaderVersion(to.RequestApiKey, to.RequestApiVersion),
        response,
        to.RequestApiVersion);

    /// <summary>An ApiVersions request of a version that is not known yet: its sender is told the known ones in version 0, and asks again (KIP-511).</summary>
    public static bool IsFutureApiVersions(byte[] frame, out RequestHeader header)
    {
        var reader = new ProtocolReader(frame);
        var (key, version) = (reader.ReadInt16(), reader.ReadInt16());
        header = new RequestHeader { RequestApiKey = key, RequestApiVersion = 0, CorrelationId = reader.ReadInt32() };
        return !reader.Failed && key == ApiVersionsRequest.ApiKey && version > ApiCatalog.Find(key)!.MaxVersion;
    }

    /// <summary>False for bytes that are not exactly one request of an API and version that is served here.</summary>
    public static bool TryReadRequest(byte[] frame, [NotNullWhen(true)] out RequestHeader? header, [NotNullWhen(true)] out IRequestMessage? request)
    {
        (header, request) = (null, null);
        var peek = new ProtocolReader(frame);
        var (key, version) = (peek.ReadInt16(), peek.ReadInt16());
        if (peek.Failed || !QuorumApis.Serves(key, version))
        {
            return false;
        }

        var reader = new ProtocolReader(frame);
        return RequestHeader.TryRead(ref reader, ApiCatalog.RequestHeaderVersion(key, version), out header)
            && ApiCatalog.TryReadRequest(key, version, frame.AsMemory(reader.Position), out request);
    }

    public static bool TryReadResponse(byte[] frame, short key, int correlationId, [NotNullWhen(true)] out IResponseMessage? response)
    {
        response = null;
        var version = ApiCatalog.Find(key)!.MaxVersion;
        var reader = new ProtocolReader(frame);
        return ResponseHeader.TryRead(ref reader, ApiCatalog.ResponseHeaderVersion(key, version), out var header)
            && header.CorrelationId == correlationId
            && ApiCatalog.TryReadResponse(key, version, frame.AsMemory(reader.Position), out response);
    }

    public static short KeyOf(IRequestMessage request) => request switch
    {
        FetchRequest => FetchRequest.ApiKey,
        ApiVersionsRequest => ApiVersionsRequest.ApiKey,
        DescribeQuorumRequest => DescribeQuorumRequest.ApiKey,
        FetchSnapshotRequest => FetchSnapshotRequest.ApiKey,
        VoteRequest => VoteRequest.ApiKey,
        BeginQuorumEpochRequest => BeginQuorumEpochRequest.ApiKey,
        EndQuorumEpochRequest => EndQuorumEpochRequest.ApiKey,
        AddRaftVoterRequest => AddRaftVoterRequest.ApiKey,
        RemoveRaftVoterRequest => RemoveRaftVoterRequest.ApiKey,
        UpdateRaftVoterRequest => UpdateRaftVoterRequest.ApiKey,
        _ => throw new ArgumentException($"{request.GetType().Name} is no request of the quorum."),
    };

    private static byte[] Frame(IMessage header, short headerVersion, IMessage body, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        writer.WriteInt32(0);
        header.Write(ref writer, headerVersion);
        body.Write(ref writer, version);
        var frame = buffer.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(frame, frame.Length - sizeof(int));
        return frame;
    }
}
