using Milena.Protocol;

namespace Milena.Storage;

/// <summary>A stretch of whole batches in one segment. Holds the segment's file until it is disposed.</summary>
public sealed class LogSlice : IRecordsSource
{
    private Segment? _segment;
    private readonly int _position;

    internal LogSlice(Segment segment, int position, int length) => (_segment, _position, Length) = (segment, position, length);

    public int Length { get; }

    public int Read(int position, Span<byte> destination)
    {
        var segment = _segment ?? throw new ObjectDisposedException(nameof(LogSlice));
        return segment.Read(_position + position, destination[..Math.Min(destination.Length, Length - position)]);
    }

    public void Dispose() => Interlocked.Exchange(ref _segment, null)?.Release();
}
