using System.Globalization;
using System.Text.Json;

namespace Milena.Bench.Idle;

/// <summary>One line for each kind of node at each size.</summary>
internal sealed class IdleTable(TextWriter output)
{
    private const string Layout = "{0,5}{1,11}  {2,-9}{3,6}{4,10}{5,12}{6,10}{7,12}{8,11}{9,12}{10,8}";

    public void Begin(BenchOptions options)
    {
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"nodes that nobody uses, {Environment.ProcessorCount} processors, {options.Duration.TotalSeconds:0.#} s each; CPU, context switches, bytes and segments sent: a second and node"));
        output.WriteLine(Layout, "nodes", "partitions", "who", "count", "CPU ms", "switches", "Akka B", "quorum B", "Kafka B", "segments", "MiB");
    }

    public void Add(IdleResult result)
    {
        var each = result.Each;
        output.WriteLine(string.Format(
            CultureInfo.InvariantCulture,
            Layout,
            result.Nodes,
            result.Partitions,
            result.Who,
            result.Count,
            Text(each.CpuMs, "0.0"),
            Text(each.Switches),
            Text(each.BytesSent[Channel.Akka]),
            Text(each.BytesSent[Channel.Quorum]),
            Text(each.BytesSent[Channel.Kafka]),
            Text(each.Segments),
            Text(each.MemoryBytes / (1 << 20))));
    }

    private static string Text(double number, string format = "0") => number.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>The same as one JSON object, for programs.</summary>
internal static class IdleJson
{
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true };

    public static string Write(BenchOptions options, IReadOnlyList<IdleResult> results) => JsonSerializer.Serialize(
        new { processors = Environment.ProcessorCount, seconds = options.Duration.TotalSeconds, runs = results.Select(Row) }, Layout);

    private static object Row(IdleResult result) => new
    {
        nodes = result.Nodes,
        partitions = result.Partitions,
        who = result.Who,
        count = result.Count,
        cpuMsPerSecond = result.Each.CpuMs,
        switchesPerSecond = result.Each.Switches,
        akkaBytesPerSecond = result.Each.BytesSent[Channel.Akka],
        quorumBytesPerSecond = result.Each.BytesSent[Channel.Quorum],
        kafkaBytesPerSecond = result.Each.BytesSent[Channel.Kafka],
        segmentsPerSecond = result.Each.Segments,
        memoryBytes = result.Each.MemoryBytes,
    };
}
