using Milena.Protocol;

namespace Milena.Benchmarks;

/// <summary>Writes messages as a connection does: into a pooled buffer that is given back.</summary>
internal static class MessageBytes
{
    /// <returns>The message's length.</returns>
    public static int Write(IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        return buffer.TotalLength;
    }

    public static byte[] Of(IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        return buffer.ToArray();
    }
}
