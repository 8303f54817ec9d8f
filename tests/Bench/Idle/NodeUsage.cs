using System.Diagnostics;
using System.Globalization;
using Milena.Testing;

namespace Milena.Bench.Idle;

/// <summary>What a node has used and sent since it started, at one moment.</summary>
/// <param name="At">A timestamp of the system's clock.</param>
/// <param name="SwitchesOfThreads">How often each thread, by its id, gave a processor away, of its own accord or not.</param>
/// <param name="Sockets">What went out through each connection, by its two ends.</param>
internal sealed record NodeUsage(
    long At, TimeSpan Cpu, IReadOnlyDictionary<string, long> SwitchesOfThreads, IReadOnlyDictionary<string, SocketCounters> Sockets, long MemoryBytes)
{
    private const string Switches = "ctxt_switches:";

    /// <param name="sockets">Of all processes.</param>
    public static NodeUsage Of(NodeProcess node, ILookup<int, SocketCounters> sockets)
    {
        using var process = Process.GetProcessById(node.ProcessId);
        return new(
            TimeProvider.System.GetTimestamp(),
            process.TotalProcessorTime,
            SwitchesOf(node.ProcessId),
            sockets[node.ProcessId].ToDictionary(socket => socket.Ends),
            process.WorkingSet64);
    }

    /// <summary>What came to be between two moments, as numbers a second. What ended meanwhile is not counted.</summary>
    public NodeRates Since(NodeUsage before)
    {
        var seconds = TimeProvider.System.GetElapsedTime(before.At, At).TotalSeconds;
        var switches = SwitchesOfThreads.Sum(thread => thread.Value - before.SwitchesOfThreads.GetValueOrDefault(thread.Key));
        var sent = Sockets.Values.Select(socket => before.Sockets.TryGetValue(socket.Ends, out var then) ? socket.Since(then) : socket).ToLookup(socket => socket.Channel);
        return new(
            (Cpu - before.Cpu).TotalMilliseconds / seconds,
            switches / seconds,
            Enum.GetValues<Channel>().ToDictionary(channel => channel, channel => sent[channel].Sum(socket => socket.Bytes) / seconds),
            sent.SelectMany(channel => channel).Sum(socket => socket.Segments) / seconds,
            MemoryBytes);
    }

    private static Dictionary<string, long> SwitchesOf(int process)
    {
        var switches = new Dictionary<string, long>();
        foreach (var thread in Directory.GetDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/task")))
        {
            try
            {
                switches[thread] = File.ReadLines(Path.Combine(thread, "status")).Where(line => line.Contains(Switches, StringComparison.Ordinal))
                    .Sum(line => long.Parse(line[(line.IndexOf(':') + 1)..], CultureInfo.InvariantCulture));
            }
            catch (IOException) when (!Directory.Exists(thread))
            {
                // It ended between the two looks, and what ended is not counted.
            }
        }

        return switches;
    }
}

/// <summary>What a node costs.</summary>
/// <param name="CpuMs">Milliseconds of processor time a second.</param>
/// <param name="Switches">Context switches a second.</param>
/// <param name="BytesSent">Bytes a second, without TCP's and IP's own.</param>
/// <param name="Segments">TCP segments sent a second, those that only acknowledge among them.</param>
/// <param name="MemoryBytes">At the end, shared pages among it.</param>
internal sealed record NodeRates(double CpuMs, double Switches, IReadOnlyDictionary<Channel, double> BytesSent, double Segments, double MemoryBytes)
{
    /// <summary>Of some nodes, at least one.</summary>
    public static NodeRates Mean(IReadOnlyCollection<NodeRates> some) => new(
        some.Average(one => one.CpuMs),
        some.Average(one => one.Switches),
        Enum.GetValues<Channel>().ToDictionary(channel => channel, channel => some.Average(one => one.BytesSent[channel])),
        some.Average(one => one.Segments),
        some.Average(one => one.MemoryBytes));
}
