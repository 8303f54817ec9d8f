using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using Milena.Protocol;

namespace Milena.Network.Tests;

/// <summary>Another source's bytes, with its file shown or kept to itself, and a count of what was read instead of sent from the file.</summary>
internal sealed class Watched(IRecordsSource inner, bool showsFile) : IRecordsSource
{
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _bytesRead;

    public int Length => inner.Length;

    public long BytesRead => Interlocked.Read(ref _bytesRead);

    public int Read(int position, Span<byte> destination)
    {
        var read = inner.Read(position, destination);
        Interlocked.Add(ref _bytesRead, read);
        return read;
    }

    public bool TryGetFile([NotNullWhen(true)] out SafeFileHandle? file, out long start)
    {
        (file, start) = (null, 0);
        return showsFile && inner.TryGetFile(out file, out start);
    }

    public async Task DisposedAsync()
    {
        try
        {
            await _disposed.Task.WaitAsync(RawClient.Patience);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"The records were not let go of within {RawClient.Patience}");
        }
    }

    public void Dispose()
    {
        inner.Dispose();
        _disposed.TrySetResult();
    }
}
