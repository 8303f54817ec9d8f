using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>Empties brokers that are to be emptied, and evens out the others when one has come: a few partitions at a time. No I/O, no clock of its own.</summary>
/// <remarks>
/// It lives as long as one controller, and remembers what that began. A plan is kept until all of it has begun, or the brokers are not those it was made for;
/// each of its moves is looked at again before it begins.
/// </remarks>
/// <param name="clock">It never goes back; where it begins does not matter.</param>
/// <param name="log">Told, in a sentence, what an operator wants to know.</param>
public sealed class Balancer(Func<TimeSpan> clock, Action<string> log)
{
    /// <summary>After a plan with nothing in it, unless brokers come, go or are to be emptied: what hinders is seldom over at once.</summary>
    private static readonly TimeSpan PlanPause = TimeSpan.FromSeconds(10);

    /// <summary>Leaders, and orders of replicas, that change in one round.</summary>
    private const int MaxReordered = 500;

    private readonly Attendance _attendance = new();
    private readonly OwnMoves _own = new();
    private readonly Dictionary<int, string> _told = [];
    private readonly Queue<PartitionMove> _planned = new();
    private string _cluster = "";
    private string _situation = "";
    private string _waitsFor = "";
    private TimeSpan _nextPlan;
    private string? _evened;

    /// <summary>What is due now, as the records of one decision.</summary>
    /// <param name="image">The controller's latest, with what it decided in the rounds before.</param>
    public IReadOnlyList<IMessage> Tend(MetadataImage image, ControllerContext context)
    {
        var now = clock();
        _attendance.Look(image, now);
        var progress = DecommissionProgress.Of(image);
        var changes = context.Changes(image, _ => true);
        var (records, notes) = _own.Look(image, changes, now);
        foreach (var note in notes.Concat(Tell(progress)))
        {
            log(note);
        }

        var leaving = progress.Select(one => one.BrokerId).ToImmutableSortedSet();
        if (records.Count == 0 && !leaving.IsEmpty)
        {
            records = LeadersFirst.Leave(image, context, leaving, MaxReordered);
        }

        return records.Count == 0 ? Begin(image, changes, Goal(image, leaving, now), progress, now) : records;
    }

    /// <summary>Even only when everybody has been there for a while, and until it has been so once: a broker that is down is not to cost a move, nor is a new topic.</summary>
    private BalanceGoal Goal(MetadataImage image, ImmutableSortedSet<int> leaving, TimeSpan now)
    {
        var settled = _attendance.Since(now - BalancerSettings.Settle(image));
        var staying = image.Brokers.Keys.Where(id => !leaving.Contains(id)).ToList();
        _cluster = string.Join(' ', staying.Select(id => $"{id}@{settled.GetValueOrDefault(id, -1)}{(image.Brokers[id].IsCordoned ? " cordoned" : "")}"));
        var isEnabled = BalancerSettings.IsEnabled(image);
        if (!isEnabled)
        {
            _evened = null;
        }

        var isDue = isEnabled && _evened != _cluster;
        ImmutableSortedSet<int> resting = [.. staying.Where(id => !settled.ContainsKey(id))];
        TellOfWaiting(isDue ? string.Join(',', resting) : "");
        var goal = new BalanceGoal(leaving, isDue && resting.IsEmpty) { Resting = resting, IsHeld = _own.IsHeld };
        var situation = $"{_cluster} without {string.Join(' ', leaving)}, {goal.Even}";
        if (_situation != situation)
        {
            (_situation, _nextPlan) = (situation, now);
            _planned.Clear();
        }

        return goal;
    }

    private List<IMessage> Begin(MetadataImage image, PartitionChanges changes, BalanceGoal goal, ImmutableArray<DecommissionProgress> progress, TimeSpan now)
    {
        if (!goal.Even && progress.All(one => one.IsEmpty))
        {
            return [];
        }

        if (_planned.Count == 0 && now >= _nextPlan)
        {
            Plan(image, goal, now);
        }

        var records = new List<IMessage>();
        var free = _planned.Count == 0 ? 0 : BalancerSettings.PartitionsInFlight(image) - UnderWay(image);
        while (free > 0 && records.Count < MaxReordered && _planned.TryDequeue(out var move))
        {
            if (TryBegin(image, changes, goal, move) is { } record)
            {
                records.Add(record);
                free -= move.Copies ? 1 : 0;
            }
        }

        return records;
    }

    private void Plan(MetadataImage image, BalanceGoal goal, TimeSpan now)
    {
        var plan = BalancePlanner.Plan(image, goal);
        foreach (var move in plan)
        {
            _planned.Enqueue(move);
        }

        if (plan.IsEmpty)
        {
            _nextPlan = now + PlanPause;
            _evened = goal.Even ? _cluster : _evened;
        }
    }

    /// <returns>Null where the partition is not any more as it was when the move was planned.</returns>
    private PartitionChangeRecord? TryBegin(MetadataImage image, PartitionChanges changes, BalanceGoal goal, PartitionMove move)
    {
        if (image.FindTopic(move.TopicId) is not { } topic
            || topic.Find(move.Partition) is not { } partition
            || !partition.Replicas.SequenceEqual(move.From)
            || Reassignment.IsUnderWay(partition)
            || partition.Leader == PartitionRegistration.NoLeader
            || goal.IsHeld(move.TopicId, move.Partition))
        {
            return null;
        }

        var begun = Reassignment.Begin(partition, move.To);
        var record = changes.Move(topic, move.Partition, partition, begun);
        if (record is not null && move.Copies)
        {
            _own.Add(move, begun);
        }

        return record;
    }

    /// <summary>
    /// Partitions on their way, whoever asked for it: they share the same network. What waits for a broker that is away uses none of it, and may wait for ever; of that
    /// only this controller's own counts, which it calls off in time.
    /// </summary>
    private int UnderWay(MetadataImage image)
    {
        var count = 0;
        foreach (var topic in image.TopicsById.Values)
        {
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                var adding = topic.Partitions[index].AddingReplicas;
                count += !adding.IsEmpty && (adding.All(id => image.Brokers.TryGetValue(id, out var broker) && !broker.Fenced) || _own.Has(topic.Id, index)) ? 1 : 0;
            }
        }

        return count;
    }

    private void TellOfWaiting(string brokers)
    {
        if (_waitsFor != brokers && brokers.Length > 0)
        {
            log($"Evening out waits until the brokers {brokers} have been there for a while");
        }

        _waitsFor = brokers;
    }

    /// <summary>Each broker's state once, and again when it is another one.</summary>
    private IEnumerable<string> Tell(ImmutableArray<DecommissionProgress> progress)
    {
        foreach (var id in _told.Keys.Where(id => progress.All(one => one.BrokerId != id)).ToList())
        {
            _told.Remove(id);
            yield return $"Broker {id} is not to be emptied any more";
        }

        foreach (var one in progress)
        {
            var (state, sentence) = one switch
            {
                { IsEmpty: true } => ("empty", $"Broker {one.BrokerId} holds no replica any more: it can be stopped and unregistered"),
                { IsStuck: true } => ("stuck", $"Broker {one.BrokerId} cannot be emptied of its last {one.Replicas} replicas: {string.Join("; ", one.Reasons)}"),
                _ => ("leaving", $"Broker {one.BrokerId} is to be emptied, of {one.Replicas} replicas"),
            };
            if (_told.GetValueOrDefault(one.BrokerId) != state)
            {
                _told[one.BrokerId] = state;
                yield return sentence;
            }
        }
    }
}
