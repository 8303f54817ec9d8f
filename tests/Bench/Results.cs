using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>The records of a run and the topic they go to.</summary>
public sealed record Workload(int RecordBytes, int Partitions, CompressionType Codec);

/// <summary>When a run stops sending: after so many records, or so long.</summary>
public sealed record Limit(long? Records, TimeSpan Duration);

/// <summary>What one run measured.</summary>
/// <param name="Rate">Records a second that were due; null where the run went as fast as it could.</param>
/// <param name="Elapsed">From the start to the last acknowledgement, or the last record read.</param>
/// <param name="Latency">Until the acknowledgement, or until a consumer had the record; null for reading.</param>
/// <param name="SendLag">How late the sender handed records to the client; null without a rate.</param>
public sealed record RunResult(
    string Run, Workload Workload, double? Rate, long Records, TimeSpan Elapsed, Percentiles? Latency, Percentiles? SendLag)
{
    private const double BytesPerMegabyte = 1e6;

    public double RecordsPerSecond => Records / Elapsed.TotalSeconds;

    /// <summary>Of record values, before compression.</summary>
    public double MegabytesPerSecond => RecordsPerSecond * Workload.RecordBytes / BytesPerMegabyte;
}
