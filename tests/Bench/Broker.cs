using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace Milena.Bench;

/// <summary>The broker under load: whether it answers, and the topics made on it, which are deleted again.</summary>
internal sealed class Broker : IDisposable
{
    private readonly IAdminClient _admin;
    private readonly BenchOptions _options;

    private Broker(IAdminClient admin, BenchOptions options)
    {
        _admin = admin;
        _options = options;
    }

    /// <exception cref="BenchException">Nobody answers, or the client refuses a setting.</exception>
    public static async Task<Broker> ConnectAsync(BenchOptions options)
    {
        var lastError = "";
        var admin = ClientSettings.Build(() => new AdminClientBuilder(ClientSettings.Common(new AdminClientConfig(), options))
            .SetLogHandler((_, _) => { })
            .SetErrorHandler((_, error) => lastError = error.Code == ErrorCode.Local_AllBrokersDown ? lastError : error.Reason)
            .Build());
        try
        {
            await admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = options.Timeout });
            return new Broker(admin, options);
        }
        catch (KafkaException error)
        {
            admin.Dispose();
            var reason = lastError.Length > 0 ? lastError : error.Error.Reason;
            throw new BenchException(
                $"No broker answers at {options.Bootstrap} within {options.Timeout.TotalSeconds:0.#} s: {OneLine(reason)}", BenchException.Unusable);
        }
    }

    /// <summary>Makes a topic that nobody else has, lets it be used, and deletes it whatever happens.</summary>
    public async Task WithTopicAsync(int partitions, Func<string, Task> use)
    {
        var topic = $"bench-{Guid.NewGuid():N}";
        await CreateAsync(topic, partitions);
        try
        {
            await use(topic);
        }
        finally
        {
            await DeleteAsync(topic);
        }
    }

    public void Dispose() => _admin.Dispose();

    public static string OneLine(string text) =>
        string.Join(' ', text.Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private async Task CreateAsync(string topic, int partitions)
    {
        var specification = new TopicSpecification { Name = topic, NumPartitions = partitions, ReplicationFactor = _options.Replication };
        try
        {
            var timeouts = new CreateTopicsOptions { RequestTimeout = _options.Timeout, OperationTimeout = _options.Timeout };
            await _admin.CreateTopicsAsync([specification], timeouts);
        }
        catch (KafkaException error)
        {
            throw new BenchException($"The topic {topic} could not be created: {Reason(error)}", BenchException.Failed);
        }
    }

    // What it has to say must not hide why the run failed, so it is said beside it.
    private async Task DeleteAsync(string topic)
    {
        try
        {
            var timeouts = new DeleteTopicsOptions { RequestTimeout = _options.Timeout, OperationTimeout = _options.Timeout };
            await _admin.DeleteTopicsAsync([topic], timeouts);
        }
        catch (KafkaException error)
        {
            await Console.Error.WriteLineAsync($"bench: The topic {topic} is left behind: {Reason(error)}");
        }
    }

    private static string Reason(KafkaException error) => OneLine(error is CreateTopicsException { Results: [var result, ..] }
        ? result.Error.Reason
        : error.Error.Reason);
}
