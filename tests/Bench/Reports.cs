using System.Globalization;
using System.Text.Json;
using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>One line for each run, as it ends.</summary>
public sealed class TableReport(TextWriter output)
{
    private const string Layout = "{0,-8}{1,9}{2,7}{3,8}{4,10}{5,11}{6,12}{7,9}{8,10}{9,10}{10,10}{11,10}{12,10}{13,9}";

    public void Begin(BenchOptions options)
    {
        var client = $"librdkafka {Library.VersionString}, {Environment.ProcessorCount} processors";
        output.WriteLine($"{options.Bootstrap}, acks {AcksText(options.Acks)}, {client}; latencies in ms");
        output.WriteLine(
            Layout, "run", "bytes", "parts", "codec", "rate/s", "records", "records/s", "MB/s", "p50", "p95", "p99", "p99.9", "max", "late p99");
    }

    public void Add(RunResult result)
    {
        var latency = result.Latency;
        output.WriteLine(string.Format(
            CultureInfo.InvariantCulture,
            Layout,
            result.Run,
            result.Workload.RecordBytes,
            result.Workload.Partitions,
            CodecText(result.Workload.Codec),
            result.Rate is { } rate ? Text(rate, "0.#") : "max",
            result.Records,
            Text(result.RecordsPerSecond, "0"),
            Text(result.MegabytesPerSecond, "0.00"),
            Text(latency?.P50),
            Text(latency?.P95),
            Text(latency?.P99),
            Text(latency?.P999),
            Text(latency?.Max),
            Text(result.SendLag?.P99)));
    }

    internal static string AcksText(Acks acks) => acks switch { Acks.None => "0", Acks.Leader => "1", _ => "all" };

    internal static string CodecText(CompressionType codec) => codec switch
    {
        CompressionType.Gzip => "gzip",
        CompressionType.Snappy => "snappy",
        CompressionType.Lz4 => "lz4",
        CompressionType.Zstd => "zstd",
        _ => "none",
    };

    private static string Text(double? value, string format = "0.000") =>
        value is { } number ? number.ToString(format, CultureInfo.InvariantCulture) : "-";
}

/// <summary>All runs as one JSON object, for programs.</summary>
public static class JsonReport
{
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true };

    public static string Write(BenchOptions options, IReadOnlyList<RunResult> results) => JsonSerializer.Serialize(
        new
        {
            bootstrap = options.Bootstrap,
            acks = TableReport.AcksText(options.Acks),
            client = $"librdkafka {Library.VersionString}",
            processors = Environment.ProcessorCount,
            runs = results.Select(Row),
        },
        Layout);

    private static object Row(RunResult result) => new
    {
        run = result.Run,
        recordBytes = result.Workload.RecordBytes,
        partitions = result.Workload.Partitions,
        codec = TableReport.CodecText(result.Workload.Codec),
        rate = result.Rate,
        records = result.Records,
        seconds = result.Elapsed.TotalSeconds,
        recordsPerSecond = result.RecordsPerSecond,
        megabytesPerSecond = result.MegabytesPerSecond,
        latencyMs = Values(result.Latency),
        sendLagMs = Values(result.SendLag),
    };

    private static object? Values(Percentiles? values) =>
        values is null ? null : new { p50 = values.P50, p95 = values.P95, p99 = values.P99, p999 = values.P999, max = values.Max };
}
