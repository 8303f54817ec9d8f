using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;

namespace Milena.Replication;

/// <summary>What leaders and followers work by, under Kafka's names.</summary>
/// <param name="MaxLag"><c>replica.lag.time.max.ms</c>: a follower that has not caught up for so long leaves the in-sync replicas.</param>
/// <param name="MaxBytesPerPartition"><c>replica.fetch.max.bytes</c>.</param>
/// <param name="MaxBytes"><c>replica.fetch.response.max.bytes</c>.</param>
/// <param name="MinBytes"><c>replica.fetch.min.bytes</c>: the leader waits for so much.</param>
/// <param name="MaxWait"><c>replica.fetch.wait.max.ms</c>: but no longer than this.</param>
/// <param name="BackOff"><c>replica.fetch.backoff.ms</c>: the pause after an error of a partition or of a whole leader.</param>
/// <param name="SocketTimeout"><c>replica.socket.timeout.ms</c>.</param>
/// <param name="ListenerName">On which followers reach their leaders.</param>
/// <param name="QuotaWindows"><c>replication.quota.window.num</c>: over so many of them the rate of throttled replication is measured.</param>
/// <param name="QuotaWindow"><c>replication.quota.window.size.seconds</c>.</param>
/// <param name="MoveThreads"><c>num.replica.alter.log.dirs.threads</c>: so many replicas move between log directories at a time; null for one for each directory.</param>
/// <param name="MoveQuotaWindows"><c>alter.log.dirs.replication.quota.window.num</c>: the same for moves between log directories.</param>
/// <param name="MoveQuotaWindow"><c>alter.log.dirs.replication.quota.window.size.seconds</c>.</param>
public sealed record ReplicationSettings(
    TimeSpan MaxLag,
    int MaxBytesPerPartition,
    int MaxBytes,
    int MinBytes,
    TimeSpan MaxWait,
    TimeSpan BackOff,
    TimeSpan SocketTimeout,
    string ListenerName,
    int QuotaWindows,
    TimeSpan QuotaWindow,
    int? MoveThreads,
    int MoveQuotaWindows,
    TimeSpan MoveQuotaWindow)
{
    public static ReplicationSettings From(ConfigResolver configs)
    {
        string? Find(string name) => configs.BrokerValue(MetadataImage.Empty, name);
        long Number(string name) => long.Parse(Find(name)!, CultureInfo.InvariantCulture);
        TimeSpan Ms(string name) => TimeSpan.FromMilliseconds(Math.Min(Number(name), int.MaxValue - 1));
        var listener = Find("inter.broker.listener.name");
        return new ReplicationSettings(
            Ms("replica.lag.time.max.ms"),
            (int)Number("replica.fetch.max.bytes"),
            (int)Number("replica.fetch.response.max.bytes"),
            (int)Number("replica.fetch.min.bytes"),
            Ms("replica.fetch.wait.max.ms"),
            Ms("replica.fetch.backoff.ms"),
            Ms("replica.socket.timeout.ms"),
            string.IsNullOrEmpty(listener) ? Find("security.inter.broker.protocol")! : listener,
            (int)Number("replication.quota.window.num"),
            TimeSpan.FromSeconds(Number("replication.quota.window.size.seconds")),
            Find("num.replica.alter.log.dirs.threads") is null ? null : (int)Number("num.replica.alter.log.dirs.threads"),
            (int)Number("alter.log.dirs.replication.quota.window.num"),
            TimeSpan.FromSeconds(Number("alter.log.dirs.replication.quota.window.size.seconds")));
    }
}
