using Akka.Actor;
using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Keeps this broker's replicas of everything that one leader leads up to date: a loop over one connection of its own.</summary>
/// <remarks>
/// It decides nothing: it carries what the leader answers to the replicas' actors, each of which refuses what was asked for in an earlier
/// leader epoch. The next fetch goes out when all partitions of the last one are appended. A partition that fails is left out for a while
/// and holds up none of the others.
/// </remarks>
internal sealed class ReplicaFetcher
{
    /// <summary>The first pause after an error that the next metadata may end; it doubles up to <c>replica.fetch.backoff.ms</c>.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);

    /// <summary>From this version a fetch says which incarnation of the follower sends it.</summary>
    private const short FirstVersion = 15;

    private readonly FetcherContext _context;
    private readonly Lock _gate = new();
    private readonly Dictionary<(Guid TopicId, int Partition), FollowedPartition> _partitions = [];
    private readonly CancellationTokenSource _stopped = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ILeaderConnection? _connection;
    private FollowerSession? _session;
    private int _failures;

    public ReplicaFetcher(int leader, FetcherContext context)
    {
        (Leader, _context) = (leader, context);
        _ = Task.Run(RunAsync);
    }

    public int Leader { get; }

    public void Add(Replica replica, FetchPosition position)
    {
        lock (_gate)
        {
            _partitions[KeyOf(replica)] = new FollowedPartition(replica, position);
            _changed.TrySetResult();
        }
    }

    /// <returns>True when no partition is left.</returns>
    public bool Remove(Replica replica)
    {
        lock (_gate)
        {
            if (_partitions.TryGetValue(KeyOf(replica), out var followed) && ReferenceEquals(followed.Replica, replica))
            {
                _partitions.Remove(KeyOf(replica));
            }

            return _partitions.Count == 0;
        }
    }

    public void Stop() => _stopped.Cancel();

    private static (Guid TopicId, int Partition) KeyOf(Replica replica) => (replica.Id.TopicId, replica.Id.Partition);

    private async Task RunAsync()
    {
        while (!_stopped.IsCancellationRequested)
        {
            try
            {
                await FetchWhatIsDueAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                // The loop must outlive everything that a leader, a network or a bug can do to one round of it.
                await AfterFailureAsync(e).ConfigureAwait(false);
            }
        }

        await DisconnectAsync().ConfigureAwait(false);
    }

    private async Task FetchWhatIsDueAsync()
    {
        var due = Due(out var changed, out var untilNext);
        if (due.Count == 0)
        {
            await WaitAsync(changed, untilNext).ConfigureAwait(false);
            return;
        }

        var connection = _connection ?? await ConnectAsync().ConfigureAwait(false);
        var epoch = _context.Broker(_context.BrokerId)?.Epoch ?? throw new IOException("This broker is not registered yet.");
        // A partition that comes back from its pause must not wait for a fetch that nothing else ends.
        var maxWait = untilNext < _context.Settings.MaxWait ? untilNext : _context.Settings.MaxWait;
        var request = _session!.Build(due, epoch, maxWait);
        var response = await connection.AskAsync<FetchResponse>(ApiKey.Fetch, request, _context.Settings.SocketTimeout, _stopped.Token).ConfigureAwait(false);
        if (_session.Take(response) is var error and not ErrorCode.None)
        {
            if (error is not (ErrorCode.FetchSessionIdNotFound or ErrorCode.InvalidFetchSessionEpoch or ErrorCode.FetchSessionTopicIdError))
            {
                throw new IOException($"The leader answers {error}.");
            }

            return;
        }

        await TakeAsync(due, response, connection).ConfigureAwait(false);
        _failures = 0;
    }

    private Dictionary<(Guid TopicId, int Partition), FollowedPartition> Due(out Task changed, out TimeSpan untilNext)
    {
        var due = new Dictionary<(Guid TopicId, int Partition), FollowedPartition>();
        var now = _context.Time.GetTimestamp();
        untilNext = TimeSpan.MaxValue;
        lock (_gate)
        {
            if (_changed.Task.IsCompleted)
            {
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            changed = _changed.Task;
            foreach (var (key, followed) in _partitions)
            {
                if (followed.DueAt <= now)
                {
                    due.Add(key, followed);
                }
                else if (_context.Time.GetElapsedTime(now, followed.DueAt) is var left && left < untilNext)
                {
                    untilNext = left;
                }
            }
        }

        return due;
    }

    private async Task WaitAsync(Task changed, TimeSpan atMost)
    {
        try
        {
            // A leader that this broker follows in nothing keeps no connection; so does one whose partitions all pause.
            await (atMost == TimeSpan.MaxValue
                ? changed.WaitAsync(_stopped.Token)
                : changed.WaitAsync(atMost, _context.Time, _stopped.Token)).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Then one is due.
            return;
        }
    }

    private async Task<ILeaderConnection> ConnectAsync()
    {
        var endPoint = _context.Broker(Leader)?.EndPoint(_context.Settings.ListenerName)
            ?? throw new IOException($"Broker {Leader} is not registered with a listener {_context.Settings.ListenerName}.");
        _connection = await _context.Connector.ConnectAsync(Leader, endPoint, _context.Settings.SocketTimeout, _stopped.Token).ConfigureAwait(false);
        if (_connection.VersionOf(ApiKey.Fetch) < FirstVersion)
        {
            throw new InvalidDataException($"The leader serves Fetch up to version {_connection.VersionOf(ApiKey.Fetch)}, and followers speak {FirstVersion} or later.");
        }

        _session = new FollowerSession(_context.BrokerId, _context.Settings);
        return _connection;
    }

    private async Task AfterFailureAsync(Exception e)
    {
        if (_failures == 0)
        {
            ReplicationEvents.LeaderLost(_context.Logger, Leader, e.Message);
        }

        await DisconnectAsync().ConfigureAwait(false);
        await Task.Delay(Pause(++_failures), _context.Time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async ValueTask DisconnectAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    private TimeSpan Pause(int failures)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(failures - 1, 16));
        return pause < _context.Settings.BackOff ? pause : _context.Settings.BackOff;
    }

    private async Task TakeAsync(
        Dictionary<(Guid TopicId, int Partition), FollowedPartition> asked, FetchResponse response, ILeaderConnection connection)
    {
        var steps = new List<(FollowedPartition Followed, Task<FollowResult> Step)>();
        var outOfRange = new List<FollowedPartition>();
        foreach (var topic in response.Responses)
        {
            foreach (var data in topic.Partitions)
            {
                if (!asked.TryGetValue((topic.TopicId, data.PartitionIndex), out var followed))
                {
                    continue;
                }

                if (data.ErrorCode == ErrorCode.OffsetOutOfRange)
                {
                    outOfRange.Add(followed);
                }
                else if (data.ErrorCode != ErrorCode.None)
                {
                    PutOff(followed, data.ErrorCode, null);
                }
                else
                {
                    steps.Add((followed, Bring(followed, data)));
                }
            }
        }

        foreach (var (followed, step) in steps)
        {
            await GoOnAsync(followed, step).ConfigureAwait(false);
        }

        foreach (var followed in outOfRange)
        {
            await FindStartAsync(followed, connection).ConfigureAwait(false);
        }
    }

    /// <summary>Hands the answer to the replica's actor, the only one that writes its log.</summary>
    private static Task<FollowResult> Bring(FollowedPartition followed, FetchResponse.PartitionData data)
    {
        var reply = new TaskCompletionSource<FollowResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        object message = data.DivergingEpoch.Epoch >= 0
            ? new ReplicaActor.Truncate(followed.Position, data.DivergingEpoch.Epoch, data.DivergingEpoch.EndOffset, reply)
            : new ReplicaActor.AppendFetched(followed.Position, data.Records.Memory, data.HighWatermark, data.LogStartOffset, reply);
        followed.Replica.Actor.Tell(message, ActorRefs.NoSender);
        return reply.Task;
    }

    /// <summary>The leader does not hold the offset: where its log starts decides whether this one has to start over.</summary>
    private async Task FindStartAsync(FollowedPartition followed, ILeaderConnection connection)
    {
        const long earliest = -2;
        var partition = followed.Replica.TopicPartition;
        var request = new ListOffsetsRequest
        {
            ReplicaId = _context.BrokerId,
            Topics =
            [
                new()
                {
                    Name = partition.Topic,
                    Partitions = [new() { PartitionIndex = partition.Partition, CurrentLeaderEpoch = followed.Position.LeaderEpoch, Timestamp = earliest }],
                },
            ],
        };
        var response = await connection.AskAsync<ListOffsetsResponse>(ApiKey.ListOffsets, request, _context.Settings.SocketTimeout, _stopped.Token).ConfigureAwait(false);
        if (response.Topics is not [{ Partitions: [var answer] }])
        {
            throw new InvalidDataException("The leader answers for other partitions than were asked for.");
        }

        if (answer.ErrorCode != ErrorCode.None)
        {
            PutOff(followed, answer.ErrorCode, null);
            return;
        }

        var reply = new TaskCompletionSource<FollowResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        followed.Replica.Actor.Tell(new ReplicaActor.StartOver(followed.Position, answer.Offset, reply), ActorRefs.NoSender);
        await GoOnAsync(followed, reply.Task).ConfigureAwait(false);
    }

    private async Task GoOnAsync(FollowedPartition followed, Task<FollowResult> step)
    {
        // An actor that ends leaves what is still in its mailbox unanswered.
        await Task.WhenAny(step, followed.Replica.Ended).WaitAsync(_stopped.Token).ConfigureAwait(false);
        if (!step.IsCompleted)
        {
            return;
        }

        var result = await step.ConfigureAwait(false);
        if (result.Error == ErrorCode.None)
        {
            // Its actor puts a replica that follows somebody else now into other hands; this position is then looked at by nobody.
            (followed.Position, followed.Failures) = (result.Next ?? followed.Position, 0);
        }
        else
        {
            PutOff(followed, result.Error, result.Message);
        }
    }

    private void PutOff(FollowedPartition followed, ErrorCode error, string? message)
    {
        followed.Failures++;
        var pause = error is ErrorCode.FencedLeaderEpoch or ErrorCode.UnknownLeaderEpoch or ErrorCode.NotLeaderOrFollower
            or ErrorCode.UnknownTopicId or ErrorCode.UnknownTopicOrPartition
            ? Pause(followed.Failures)
            : _context.Settings.BackOff;
        followed.DueAt = _context.Time.GetTimestamp() + (long)(pause.TotalSeconds * _context.Time.TimestampFrequency);
        ReplicationEvents.FetchFailed(_context.Logger, followed.Replica.TopicPartition, Leader, followed.Position.LeaderEpoch, followed.Position.Offset, error, message);
    }
}
