using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Milena.Storage;

/// <summary>The one place that hears of every disk error, and takes the log directory offline.</summary>
public interface IDiskErrorSink
{
    /// <summary>Called on whichever thread met the error, at least once per failing log; must not block or throw.</summary>
    void DiskFailed(string logDirectory, Exception error);
}

/// <summary>What a log takes from the outside: disk, clock, chance, and where errors and events go.</summary>
public sealed record LogEnvironment(IDisk Disk, TimeProvider Clock, Random Random, IDiskErrorSink Errors)
{
    public ILogger Logger { get; init; } = NullLogger.Instance;

    internal long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Seeded generators are not safe for several threads; logs of one directory share one.</summary>
    internal int NextRandom()
    {
        lock (Random) return Random.Next();
    }

    /// <summary>Random, as KIP-858 wants a directory's id: none of the first hundred, and no leading dash in its text.</summary>
    internal Guid NextUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        lock (Random)
        {
            do Random.NextBytes(bytes);
            while (bytes[0] == 0 || bytes[0] >> 2 == DashDigit);
        }
        return new Guid(bytes, bigEndian: true);
    }

    // URL-safe base64's digit 62.
    private const int DashDigit = 62;
}

/// <summary>A disk error. The error sink has been told; the log that threw it answers every later call with it too.</summary>
public sealed class LogIOException(string message, Exception inner) : IOException(message, inner);
