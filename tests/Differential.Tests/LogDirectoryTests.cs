using System.Text;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Differential.Tests;

/// <summary>The files of a partition that both were sent the same batches for.</summary>
public sealed class LogDirectoryTests
{
    private const string Topic = "kept";
    private const long Now = 1_700_000_000_000;
    // Its records are years old: on a machine that takes half a minute over this, retention would have deleted the first segments.
    private static readonly (string, string)[] Settings = [("segment.bytes", "1048576"), ("index.interval.bytes", "1000"), ("retention.ms", "-1")];

    [SkippableFact]
    public void What_either_writes_the_other_opens_and_finds_the_same_records_in()
    {
        Skip.If(KafkaProcess.Libraries is null, "KAFKA_LIBS names no folder of Kafka's jars");
        using var kafka = new KafkaProcess();
        using var milena = new NodeProcess().Start();
        Write(kafka.Port);
        Write(milena.Port);
        kafka.Stop();
        Assert.Equal(0, milena.Stop());

        var written = Path.Combine(kafka.Data, $"{Topic}-0");
        var ours = Path.Combine(milena.Data, $"{Topic}-0");
        var segments = Names(written, "*.log");
        Assert.True(segments.Length > 1, "the test is about more than one segment");
        Assert.Equal(segments, Names(ours, "*.log"));
        Assert.Equal(Dump(written), Dump(ours));

        var records = Records(written);
        Assert.NotEmpty(records);
        Assert.Equal(records, Records(ours));
    }

    private static void Write(int port)
    {
        using var session = new Session("127.0.0.1", port);
        session.Topic(Topic, 1, Settings);
        var random = new Random(5);
        var sequence = 0;
        for (var batch = 0; batch < 400; batch++)
        {
            using var builder = new RecordBatchBuilder { Codec = (CompressionCodec)(batch % 5), ProducerId = 1000, ProducerEpoch = 0, BaseSequence = sequence };
            for (var i = random.Next(1, 40); i > 0; i--, sequence++)
            {
                var value = new byte[random.Next(600)];
                random.NextBytes(value);
                builder.Add(Now + (batch * 1000) + i, Encoding.ASCII.GetBytes($"key {sequence}"), sequence % 9 == 0 ? null : value);
            }

            var answer = session.Prepare<ProduceResponse>(ApiKey.Produce, 12, new ProduceRequest
            {
                Acks = -1,
                TimeoutMs = 10_000,
                TopicData = [new() { Name = Topic, PartitionData = [new() { Index = 0, Records = new Records(builder.Build()) }] }],
            });
            Assert.Equal(ErrorCode.None, answer.Responses[0].PartitionResponses[0].ErrorCode);
        }
    }

    private static string[] Names(string folder, string pattern) => [.. Directory.GetFiles(folder, pattern).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    /// <summary>What Kafka's own tool says of the segments, their indexes, and every record; without the folder's name.</summary>
    private static string Dump(string folder)
    {
        var files = Names(folder, "*.log").Concat(Names(folder, "*.index")).Concat(Names(folder, "*.timeindex")).Select(name => Path.Combine(folder, name));
        return KafkaProcess.RunTool("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--print-data-log", "--files", string.Join(',', files))
            .Replace(folder, "", StringComparison.Ordinal);
    }

    private static List<string> Records(string folder)
    {
        var failures = new NoFailures();
        var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(1), failures);
        using var log = Log.Open(folder, new LogSettings(), environment, new LogRecovery(true, 0, 0));
        var records = new List<string>();
        LogReplay.Run(log, log.LogStartOffset, log.LogEndOffset, (in RecordBatchHeader header, in RecordView record) =>
            records.Add($"{header.BaseOffset + record.OffsetDelta} {header.BaseTimestamp + record.TimestampDelta} {Convert.ToHexString(record.Key)} {(record.HasValue ? Convert.ToHexString(record.Value) : "null")}"));
        return records;
    }

    private sealed class NoFailures : IDiskErrorSink
    {
        public void DiskFailed(string logDirectory, Exception error) => Assert.Fail($"{logDirectory}: {error}");
    }
}
