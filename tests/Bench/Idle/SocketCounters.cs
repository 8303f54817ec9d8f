using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Milena.Bench.Idle;

/// <summary>What a connection between nodes carries.</summary>
public enum Channel
{
    /// <summary>Clients, and followers that fetch.</summary>
    Kafka,

    /// <summary>Heartbeats, gossip, and questions to the controller.</summary>
    Akka,

    /// <summary>Votes, and fetches of the metadata log.</summary>
    Quorum,
}

/// <summary>What a process has sent through one TCP connection since that was made. The kernel counts.</summary>
/// <param name="Ends">Names the connection: its own end, then the other.</param>
/// <param name="Bytes">Without headers.</param>
public sealed partial record SocketCounters(int ProcessId, string Ends, Channel Channel, long Bytes, long Segments)
{
    private const int LocalColumn = 3;
    private const int PeerColumn = 4;

    public SocketCounters Since(SocketCounters before) => this with { Bytes = Bytes - before.Bytes, Segments = Segments - before.Segments };

    /// <summary>All connections of this machine one end of which is one of these ports, by process.</summary>
    /// <exception cref="BenchException"><c>ss</c>, of Linux's iproute2, is not there.</exception>
    public static ILookup<int, SocketCounters> Read(IReadOnlyDictionary<int, Channel> ports)
    {
        try
        {
            using var ss = Process.Start(new ProcessStartInfo("ss", ["-tinpHO"]) { RedirectStandardOutput = true })!;
            var lines = ss.StandardOutput.ReadToEnd().Split('\n');
            ss.WaitForExit();
            return lines.Select(line => TryParse(line, ports)).OfType<SocketCounters>().ToLookup(socket => socket.ProcessId);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new BenchException($"What the nodes send is read with 'ss', of Linux's iproute2: {error.Message}", BenchException.Unusable);
        }
    }

    /// <param name="line">As <c>ss -tinpHO</c> prints it: state, two queues, own end, other end, <c>users:(("name",pid=1,fd=2))</c>, and counters as <c>name:value</c>.</param>
    /// <returns>Null for a connection of others, and for one that belongs to no process any more.</returns>
    public static SocketCounters? TryParse(string line, IReadOnlyDictionary<int, Channel> ports)
    {
        var columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (columns.Length <= PeerColumn || ProcessPattern().Match(line) is not { Success: true } process)
        {
            return null;
        }

        return ports.TryGetValue(PortOf(columns[LocalColumn]), out var channel) || ports.TryGetValue(PortOf(columns[PeerColumn]), out channel)
            ? new(int.Parse(process.Groups[1].Value, CultureInfo.InvariantCulture), $"{columns[LocalColumn]} {columns[PeerColumn]}", channel, Counter("bytes_sent:"), Counter("segs_out:"))
            : null;

        // The kernel leaves a counter out that is still zero.
        long Counter(string name) =>
            columns.FirstOrDefault(column => column.StartsWith(name, StringComparison.Ordinal)) is { } found ? long.Parse(found[name.Length..], CultureInfo.InvariantCulture) : 0;
    }

    private static int PortOf(string end) => int.Parse(end[(end.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);

    [GeneratedRegex(@"pid=(\d+)")]
    private static partial Regex ProcessPattern();
}
