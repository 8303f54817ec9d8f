using Milena.Protocol;

namespace Milena.Metadata.Controller.Remote;

/// <summary>What one node asks the controller on another: a request in Kafka's form.</summary>
/// <param name="Id">The asker's own number of it, which the answer bears.</param>
public sealed record ControllerQuestion(long Id, short ApiKey, short ApiVersion, ReadOnlyMemory<byte> Body)
{
    public static ControllerQuestion Of(long id, IRequestMessage request)
    {
        var api = ApiCatalog.Find(ApiCatalog.KeyOf(request))!;
        return new ControllerQuestion(id, api.Key, api.MaxVersion, Encoded(request, api.MaxVersion));
    }

    internal static byte[] Encoded(IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        return buffer.Written.ToArray();
    }
}

/// <summary>How a question ended.</summary>
public enum ControllerOutcome : byte
{
    /// <summary>Decided, committed, and applied where the controller runs.</summary>
    Decided = 0,

    /// <summary>The node asked does not lead the quorum, or lost its place: the question may be put to another.</summary>
    NotController = 1,

    /// <summary>The node asked cannot read the question, or its decision failed.</summary>
    Failed = 2,
}

/// <param name="Offset">The metadata offset that holds the decision; below it lies all that the answer speaks of.</param>
/// <param name="Body">The response in the question's version; empty unless decided.</param>
/// <param name="Reason">Why there is none, in a sentence; empty when decided.</param>
public sealed record ControllerAnswer(long Id, ControllerOutcome Outcome, long Offset, ReadOnlyMemory<byte> Body, string Reason);
