using Milena.Metadata.Controller;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Broker;

/// <summary>Creates topics that clients ask for before anybody made them, and the internal topics at their first use.</summary>
public sealed class TopicAutoCreation(BrokerContext broker)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Whether the broker makes a topic that a client names (<c>auto.create.topics.enable</c>). Internal topics are always made.</summary>
    public bool Enabled => broker.Settings.GetBool("auto.create.topics.enable");

    /// <returns>For each name None when it exists now, else why it cannot be made.</returns>
    public async Task<IReadOnlyDictionary<string, ErrorCode>> CreateAsync(IEnumerable<string> names)
    {
        var request = new CreateTopicsRequest { Topics = [.. names.Distinct().Select(Describe)], TimeoutMs = (int)Timeout.TotalMilliseconds };
        try
        {
            var response = await broker.Controller.AskAsync<CreateTopicsResponse>(request, Timeout);
            await broker.WhenLeadingAsync(response.Topics.Where(topic => topic.ErrorCode == ErrorCode.None).Select(topic => topic.Name));
            return response.Topics.ToDictionary(
                topic => topic.Name,
                topic => topic.ErrorCode == ErrorCode.TopicAlreadyExists ? ErrorCode.None : topic.ErrorCode);
        }
        catch (Exception e) when (ControllerClient.IsNoAnswer(e))
        {
            return request.Topics.ToDictionary(topic => topic.Name, _ => ErrorCode.LeaderNotAvailable);
        }
    }

    private CreateTopicsRequest.CreatableTopic Describe(string name)
    {
        if (name != TopicNames.ConsumerOffsets)
        {
            return new() { Name = name, NumPartitions = -1, ReplicationFactor = -1 };
        }

        var topic = new CreateTopicsRequest.CreatableTopic
        {
            Name = name,
            NumPartitions = broker.Settings.GetInt("offsets.topic.num.partitions"),
            ReplicationFactor = InternalReplicationFactor("offsets.topic.replication.factor"),
            Configs =
            [
                new() { Name = "cleanup.policy", Value = "compact" },
                new() { Name = "compression.type", Value = "producer" },
                new() { Name = "segment.bytes", Value = broker.Settings.GetString("offsets.topic.segment.bytes") },
            ],
        };
        if (topic.ReplicationFactor >= InternalTopics.FactorOfTwoInSync)
        {
            topic.Configs.Add(new() { Name = InternalTopics.MinInSyncReplicas, Value = "2" });
        }

        return topic;
    }

    /// <summary>A cluster smaller than the wanted factor gets what it has, and more when there are more brokers: one node alone must be able to keep offsets.</summary>
    private short InternalReplicationFactor(string setting) =>
        (short)Math.Clamp(broker.Image.Brokers.Values.Count(one => PartitionAssignment.TakesReplicas(broker.Image, one)), 1, broker.Settings.GetInt(setting));
}
