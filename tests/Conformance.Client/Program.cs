using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Confluent.Kafka;
using Confluent.Kafka.Admin;

// Confluent.Kafka for .NET; the commands are described in the README of Conformance.Tests/Programs.
string[] codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
var address = args[1];
// The package's first choice of native build wants a libsasl2 that not every distribution has. Left to itself the loader then takes a
// librdkafka of the system's before the package's second build, and that may be years older.
var native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
if (OperatingSystem.IsLinux() && Directory.Exists(native) && !NativeLibrary.TryLoad(Path.Combine(native, "librdkafka.so"), out _))
{
    NativeLibrary.SetDllImportResolver(
        typeof(Library).Assembly, (name, _, _) => name == "librdkafka" ? NativeLibrary.Load(Path.Combine(native, "centos8-librdkafka.so")) : 0);
}

Console.OutputEncoding = new UTF8Encoding(false);
switch (args[0])
{
    case "produce":
        await ProduceAsync(args[2], Number(args[3]));
        break;
    case "read":
        Read(Number(args[2]), args[3..]);
        break;
    case "seek":
        Seek(args[2], args[3], Number(args[4]));
        break;
    case "list":
        List();
        break;
    case "group":
        Group(args[2], args[3]);
        break;
    default:
        throw new ArgumentException(args[0]);
}

void List()
{
    using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = address }).Build();
    foreach (var topic in admin.GetMetadata(TimeSpan.FromSeconds(20)).Topics)
    {
        Console.WriteLine($"{topic.Topic}\t{topic.Partitions.Count}");
    }
}

static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

static string Text(byte[]? bytes) => bytes is null ? "-" : Encoding.UTF8.GetString(bytes);

async Task ProduceAsync(string prefix, long count)
{
    using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = address }).Build();
    foreach (var codec in codecs)
    {
        var topic = $"{prefix}-{codec}";
        await admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = 3, ReplicationFactor = 1 }]);
        var config = new ProducerConfig
        {
            BootstrapServers = address,
            CompressionType = Enum.Parse<CompressionType>(codec, ignoreCase: true),
            Partitioner = Partitioner.Murmur2Random,
            LingerMs = 20,
        };
        using var producer = new ProducerBuilder<byte[]?, byte[]?>(config).Build();
        var sent = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            sent.Add(producer.ProduceAsync(topic, new Message<byte[]?, byte[]?>
            {
                Key = i % 5 == 4 ? null : Encoding.UTF8.GetBytes($"key-{i % 20}"),
                Value = i % 7 == 6 && i % 5 != 4 ? null : Encoding.UTF8.GetBytes($"value {i} é"),
                Headers = new Headers { { "n", Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)) } },
            }));
        }

        await Task.WhenAll(sent);
        Console.WriteLine(topic);
    }
}

IConsumer<byte[]?, byte[]?> Consumer(string group) => new ConsumerBuilder<byte[]?, byte[]?>(new ConsumerConfig
{
    BootstrapServers = address,
    GroupId = group,
    EnableAutoCommit = false,
    AutoOffsetReset = AutoOffsetReset.Earliest,
    SessionTimeoutMs = 10_000,
}).Build();

ConsumeResult<byte[]?, byte[]?> Next(IConsumer<byte[]?, byte[]?> consumer) => consumer.Consume(TimeSpan.FromSeconds(30)) ?? throw new TimeoutException("no record");

void Read(long count, string[] topics)
{
    foreach (var topic in topics)
    {
        using var consumer = Consumer("unused");
        consumer.Assign(Enumerable.Range(0, 3).Select(partition => new TopicPartitionOffset(topic, partition, 0)));
        for (var i = 0; i < count; i++)
        {
            var record = Next(consumer);
            Console.WriteLine(string.Join('\t', topic, record.Partition.Value, Text(record.Message.Key), Text(record.Message.Value), Text(record.Message.Headers[0].GetValueBytes())));
        }
    }
}

void Seek(string topic, string kind, long place)
{
    using var consumer = Consumer("unused");
    var partition = new TopicPartition(topic, 0);
    consumer.Assign(kind == "timestamp"
        ? consumer.OffsetsForTimes([new TopicPartitionTimestamp(partition, new Timestamp(place, TimestampType.CreateTime))], TimeSpan.FromSeconds(30))
        : [new TopicPartitionOffset(partition, place)]);
    Console.WriteLine(Next(consumer).Offset.Value);
}

void Group(string topic, string group)
{
    using var consumer = Consumer(group);
    consumer.Subscribe(topic);
    var ended = Task.Run(Console.In.ReadToEnd);
    while (!ended.IsCompleted)
    {
        if (consumer.Consume(200) is { Message: not null } record)
        {
            consumer.Commit(record);
            Console.WriteLine($"{record.Partition.Value} {record.Offset.Value}");
        }
    }

    consumer.Close();
}
