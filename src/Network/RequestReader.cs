using System.Buffers.Binary;

namespace Milena.Network;

/// <summary>Takes frames off a socket: of small ones several at a time, of a large one the bytes straight into its own array.</summary>
/// <param name="received">Called whenever something came.</param>
internal sealed class RequestReader(ClientSocket socket, Action received)
{
    /// <summary>Holds a small request or a few, and is all that a silent connection costs in buffers.</summary>
    private const int AheadBytes = 1024;

    private readonly byte[] _ahead = new byte[AheadBytes];
    private int _from;
    private int _to;

    /// <returns>The size that the next frame announces; null when the client has closed.</returns>
    public async ValueTask<int?> ReadSizeAsync()
    {
        while (_to - _from < sizeof(int))
        {
            _ahead.AsSpan(_from.._to).CopyTo(_ahead);
            (_from, _to) = (0, _to - _from);
            var read = await ReceiveAsync(_ahead.AsMemory(_to));
            if (read == 0)
            {
                return null;
            }

            _to += read;
        }

        var size = BinaryPrimitives.ReadInt32BigEndian(_ahead.AsSpan(_from));
        _from += sizeof(int);
        return size;
    }

    /// <returns>False when the client has closed before the frame's end.</returns>
    public async ValueTask<bool> FillAsync(RequestFrame frame)
    {
        var ahead = Math.Min(_to - _from, frame.Size);
        frame.Fill(_ahead.AsSpan(_from, ahead));
        _from += ahead;
        while (!frame.IsComplete)
        {
            var read = await ReceiveAsync(frame.Free);
            if (read == 0)
            {
                return false;
            }

            frame.Advance(read);
        }

        return true;
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> destination)
    {
        var read = await socket.ReceiveAsync(destination);
        received();
        return read;
    }
}
