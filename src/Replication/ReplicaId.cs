using System.Globalization;

namespace Milena.Replication;

/// <summary>One replica of one partition: the name of its actor, its shard entity, and its persistence id.</summary>
public readonly record struct ReplicaId(Guid TopicId, int Partition, int BrokerId)
{
    /// <summary>Replicas of one broker form one shard: a shard per replica took minutes to start 5,000 of them, this takes half a second.</summary>
    public string ShardId => BrokerId.ToString(CultureInfo.InvariantCulture);

    /// <summary><c>topicId/partition@brokerId</c>, the topic id as 32 hex digits.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{TopicId:N}/{Partition}@{BrokerId}");

    public static bool TryParse(string text, out ReplicaId id)
    {
        id = default;
        var slash = text.IndexOf('/');
        var at = text.LastIndexOf('@');
        if (slash < 0
            || at < slash
            || !Guid.TryParseExact(text.AsSpan(0, slash), "N", out var topicId)
            || !int.TryParse(text.AsSpan(slash + 1, at - slash - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var partition)
            || !int.TryParse(text.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var brokerId))
        {
            return false;
        }

        id = new ReplicaId(topicId, partition, brokerId);
        return true;
    }

    public static ReplicaId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not a replica id of the form topicId/partition@brokerId.");
}
