using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using Milena.Protocol;

namespace Milena.Storage;

/// <summary>Bytes of the log that a reader holds: batch after batch as they lie in the file, the last one perhaps cut.</summary>
/// <remarks>The segment's file stays readable until <see cref="Dispose"/>, though retention may have deleted it meanwhile.</remarks>
public sealed class LogSlice : IRecordsSource
{
    private readonly Log _log;
    private readonly int _position;
    private Segment? _segment;

    internal LogSlice(Log log, Segment segment, int position, int length)
    {
        _log = log;
        _segment = segment;
        _position = position;
        Length = length;
    }

    public int Length { get; }

    /// <summary>Copies bytes from <paramref name="position"/>, counted from the slice's start.</summary>
    /// <returns>Bytes copied; fewer than asked for at the slice's end, or where a truncation has cut the file.</returns>
    public int Read(int position, Span<byte> destination)
    {
        var segment = _segment;
        ObjectDisposedException.ThrowIf(segment is null, this);
        if (position < 0 || position >= Length) return 0;
        try
        {
            return segment.File.Read(_position + position, destination[..Math.Min(destination.Length, Length - position)]);
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw _log.Fail(error);
        }
    }

    public bool TryGetFile([NotNullWhen(true)] out SafeFileHandle? file, out long start)
    {
        var segment = _segment;
        ObjectDisposedException.ThrowIf(segment is null, this);
        file = segment.File.Handle;
        start = _position;
        return file is not null;
    }

    public byte[] ToArray()
    {
        var bytes = new byte[Length];
        var read = Read(0, bytes);
        return read == bytes.Length ? bytes : bytes[..read];
    }

    public void Dispose()
    {
        var segment = Interlocked.Exchange(ref _segment, null);
        if (segment is not null) _log.Release(segment);
    }
}
