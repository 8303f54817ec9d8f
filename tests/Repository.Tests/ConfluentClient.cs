using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace Milena.Repository.Tests;

/// <summary>The outside client that is always there, since it comes as a package: tells whether a node serves clients.</summary>
internal static class ConfluentClient
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    // Left to itself, the package takes a librdkafka of the system's, which may be years older, where the first of its own builds wants a
    // libsasl2 that is missing. (Conformance.Client does the same.)
    static ConfluentClient()
    {
        var native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        if (OperatingSystem.IsLinux() && Directory.Exists(native) && !NativeLibrary.TryLoad(Path.Combine(native, "librdkafka.so"), out _))
        {
            NativeLibrary.SetDllImportResolver(
                typeof(Library).Assembly, (name, _, _) => name == "librdkafka" ? NativeLibrary.Load(Path.Combine(native, "centos8-librdkafka.so")) : 0);
        }
    }

    /// <summary>The version of the native library in use. Asking for it makes sure that it is the package's own.</summary>
    public static string NativeVersion => Library.VersionString;

    public static async Task ProduceAsync(string address, string topic, string key, string value)
    {
        var config = new ProducerConfig { BootstrapServers = address, MessageTimeoutMs = (int)Timeout.TotalMilliseconds };
        using var producer = new ProducerBuilder<string, string>(config).Build();
        await producer.ProduceAsync(topic, new Message<string, string> { Key = key, Value = value });
    }

    /// <summary>Key and value of the first record of partition 0.</summary>
    public static (string Key, string Value) ReadFirst(string address, string topic)
    {
        using var consumer = new ConsumerBuilder<string, string>(new ConsumerConfig { BootstrapServers = address, GroupId = "unused" }).Build();
        consumer.Assign(new TopicPartitionOffset(topic, 0, Offset.Beginning));
        var result = consumer.Consume(Timeout) ?? throw new TimeoutException($"No record of {topic} came from {address} within {Timeout}.");
        return (result.Message.Key, result.Message.Value);
    }

    public static async Task AssertServesAsync(string address)
    {
        await ProduceAsync(address, "probe", "k", "v");
        Assert.Equal(("k", "v"), ReadFirst(address, "probe"));
    }
}
