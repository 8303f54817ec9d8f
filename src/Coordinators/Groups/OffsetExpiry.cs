using Milena.Coordinators.Runtime;

namespace Milena.Coordinators.Groups;

/// <summary>A topic that is gone. Without an id every offset under its name is meant, else only those that were committed for that id.</summary>
public readonly record struct DeletedTopic(string Name, Guid TopicId = default);

/// <summary>Removes offsets that nobody will ask for: of groups long empty (KIP-211), and of deleted topics.</summary>
internal sealed class OffsetExpiry(GroupSettings settings, GroupTable groups)
{
    /// <summary>A step's records are one batch, so a step removes so many offsets and a zero timer goes on.</summary>
    public const int MaxTombstonesPerStep = 1_000;

    private static readonly TimerName ExpiryTimer = new(TimerKinds.Expiry, "");
    private static readonly TimerName PurgeTimer = new(TimerKinds.Purge, "");

    private readonly List<DeletedTopic> _deleted = [];

    public void Loaded(in Step step) => step.Effects.SetTimer(ExpiryTimer, settings.OffsetsRetentionCheckInterval);

    public void ExpiryTimerFired(in Step step)
    {
        var budget = MaxTombstonesPerStep;
        foreach (var group in groups.All.ToArray())
        {
            Expire(group, ref budget, step);
            if (budget <= 0)
            {
                step.Effects.SetTimer(ExpiryTimer, TimeSpan.Zero);
                return;
            }
        }

        step.Effects.SetTimer(ExpiryTimer, settings.OffsetsRetentionCheckInterval);
    }

    /// <returns>How many offsets were removed in this step.</returns>
    public int Purge(IReadOnlyCollection<DeletedTopic> topics, in Step step)
    {
        _deleted.AddRange(topics);
        var budget = MaxTombstonesPerStep;
        foreach (var group in groups.All)
        {
            foreach (var topic in _deleted)
            {
                Purge(group, topic, ref budget, step);
            }

            if (budget <= 0)
            {
                step.Effects.SetTimer(PurgeTimer, TimeSpan.Zero);
                return MaxTombstonesPerStep - budget;
            }
        }

        _deleted.Clear();
        return MaxTombstonesPerStep - budget;
    }

    private static void Purge(Group group, in DeletedTopic topic, ref int budget, in Step step)
    {
        if (!group.Offsets.TryGetTopic(topic.Name, out var partitions))
        {
            return;
        }

        foreach (var (partition, committed) in partitions.ToArray())
        {
            if (budget > 0 && (topic.TopicId == Guid.Empty || committed.TopicId == Guid.Empty || committed.TopicId == topic.TopicId))
            {
                Remove(group, topic.Name, partition, ref budget, step);
            }
        }
    }

    private static void Remove(Group group, string topic, int partition, ref int budget, in Step step)
    {
        group.Offsets.Remove(topic, partition);
        step.Effects.Append(GroupRecords.OffsetTombstone(group.Id, topic, partition));
        budget--;
    }

    private void Expire(Group group, ref int budget, in Step step)
    {
        if (CanExpire(group))
        {
            foreach (var (topic, partitions) in group.Offsets.Topics.ToArray())
            {
                foreach (var (partition, committed) in partitions.ToArray())
                {
                    if (budget > 0 && !group.IsSubscribedTo(topic) && IsExpired(group, committed, step.NowMs))
                    {
                        Remove(group, topic, partition, ref budget, step);
                    }
                }
            }
        }

        if (group.Offsets.IsEmpty && group.State == GroupState.Empty && group.PendingJoins.Count == 0 && budget > 0)
        {
            groups.Remove(group.Id);
            step.Effects.Append(GroupRecords.GroupTombstone(group.Id));
            budget--;
        }
    }

    /// <summary>A group with members keeps its offsets, but for topics that no member of a stable consumer group subscribes to any more.</summary>
    private static bool CanExpire(Group group) =>
        group.State == GroupState.Empty || (group.State == GroupState.Stable && group.UsesConsumerProtocol && group.SubscribedTopics is not null);

    /// <summary>Retention runs from when the last member left; where there never was one, or there still are, from the commit.</summary>
    private bool IsExpired(Group group, in CommittedOffset committed, long nowMs)
    {
        if (committed.ExpireTimestampMs is { } expiry)
        {
            return nowMs >= expiry;
        }

        var hasBecomeEmpty = group.ProtocolType is not null && group.State == GroupState.Empty;
        var since = hasBecomeEmpty ? group.StateTimestampMs ?? committed.CommitTimestampMs : committed.CommitTimestampMs;
        return nowMs - since >= settings.OffsetsRetention.TotalMilliseconds;
    }
}
