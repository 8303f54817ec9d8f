using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace Milena.Protocol;

/// <summary>A message or stored record whose codec is generated from a spec.</summary>
public interface IMessage
{
    /// <exception cref="InvalidOperationException">A field is set that the version cannot carry: a bug of the caller.</exception>
    void Write(ref ProtocolWriter writer, short version);
}

public interface IRequestMessage : IMessage;

public interface IResponseMessage : IMessage;

/// <summary>Bytes that a message carries without copying them: a stretch of a segment file, on its way to a socket.</summary>
public interface IRecordsSource : IDisposable
{
    int Length { get; }

    /// <summary>Reads from <paramref name="position"/> on; fewer bytes than asked only when the file was cut short.</summary>
    int Read(int position, Span<byte> destination);

    /// <summary>The file that the bytes lie in, for a system that can send them without our reading them.</summary>
    /// <param name="file">Open until the source is disposed, which must not happen before the last use.</param>
    /// <param name="start">Where the source's first byte is in the file.</param>
    bool TryGetFile([NotNullWhen(true)] out SafeFileHandle? file, out long start)
    {
        (file, start) = (null, 0);
        return false;
    }
}

/// <summary>The value of a records field: null, bytes at hand, or bytes still in a file.</summary>
public readonly struct Records : IDisposable
{
    private readonly ReadOnlyMemory<byte> _memory;
    private readonly bool _isSet;

    public Records(ReadOnlyMemory<byte> memory) => (_memory, _isSet) = (memory, true);

    public Records(IRecordsSource source) => (Source, _isSet) = (source, true);

    public static Records Empty => new(ReadOnlyMemory<byte>.Empty);

    public bool IsNull => !_isSet;

    public bool IsEmpty => Length == 0;

    public int Length => Source?.Length ?? _memory.Length;

    public IRecordsSource? Source { get; }

    /// <summary>Empty where the bytes are in a file.</summary>
    public ReadOnlyMemory<byte> Memory => _memory;

    public void Dispose() => Source?.Dispose();
}
