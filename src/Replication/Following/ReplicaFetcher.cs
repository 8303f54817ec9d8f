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
    private readonly FollowedPartitions _partitions;
    private readonly CancellationTokenSource _stopped = new();
    private ILeaderConnection? _connection;
    private FollowerSession? _session;
    private int _failures;

    public ReplicaFetcher(int leader, FetcherContext context)
    {
        (Leader, _context, _partitions) = (leader, context, new FollowedPartitions(context.Time, context.Throttle));
        _ = Task.Run(RunAsync);
    }

    public int Leader { get; }

    public void Add(Replica replica, FetchPosition position, bool isInSync) => _partitions.Add(new FollowedPartition(replica, position, isInSync));

    /// <returns>True when no partition is left.</returns>
    public bool Remove(Replica replica) => _partitions.Remove(replica);

    /// <summary>What the throttle holds back is looked at anew: it holds back something else now.</summary>
    public void ThrottleChanged() => _partitions.Release();

    public void Stop() => _stopped.Cancel();

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
        var round = _partitions.Next(all: _connection is null || _session!.IsNew);
        if (round.IsIdle)
        {
            await WaitAsync(round.Added, round.UntilNext).ConfigureAwait(false);
            return;
        }

        var connection = _connection ?? await ConnectAsync().ConfigureAwait(false);
        var epoch = _context.Broker(_context.BrokerId)?.Epoch ?? throw new IOException("This broker is not registered yet.");
        // A partition that comes back from its pause must not wait for a fetch that nothing else ends.
        var maxWait = round.UntilNext < _context.Settings.MaxWait ? round.UntilNext : _context.Settings.MaxWait;
        var request = _session!.Build(round.Changed, round.Gone, epoch, maxWait);
        var response = await connection.AskAsync<FetchResponse>(ApiKey.Fetch, request, _context.Settings.SocketTimeout, _stopped.Token).ConfigureAwait(false);
        if (_session.Take(response) is var error and not ErrorCode.None)
        {
            if (error is not (ErrorCode.FetchSessionIdNotFound or ErrorCode.InvalidFetchSessionEpoch or ErrorCode.FetchSessionTopicIdError))
            {
                throw new IOException($"The leader answers {error}.");
            }

            return;
        }

        await TakeAsync(response, connection).ConfigureAwait(false);
        _failures = 0;
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

    private async Task TakeAsync(FetchResponse response, ILeaderConnection connection)
    {
        var steps = new List<(FollowedPartition Followed, long HighWatermark, Task<FollowResult> Step)>();
        var outOfRange = new List<Told>();
        foreach (var topic in response.Responses)
        {
            foreach (var data in topic.Partitions)
            {
                if (_session!.Find(new FollowedKey(topic.TopicId, data.PartitionIndex)) is not { } told)
                {
                    continue;
                }

                if (data.ErrorCode == ErrorCode.OffsetOutOfRange)
                {
                    outOfRange.Add(told);
                }
                else if (data.ErrorCode != ErrorCode.None)
                {
                    PutOff(told.Followed, data.ErrorCode, null);
                }
                else
                {
                    Count(told.Followed, data.Records.Length);
                    steps.Add((told.Followed, data.HighWatermark, Bring(told, data)));
                }
            }
        }

        foreach (var (followed, highWatermark, step) in steps)
        {
            await GoOnAsync(followed, step).ConfigureAwait(false);
            _partitions.Told(followed, highWatermark);
        }

        foreach (var told in outOfRange)
        {
            await FindStartAsync(told, connection).ConfigureAwait(false);
        }
    }

    private void Count(FollowedPartition followed, int bytes)
    {
        if (bytes > 0)
        {
            followed.ServedAt = _context.Time.GetTimestamp();
            _context.Throttle.Record(followed.Replica.TopicPartition, bytes);
        }
    }

    /// <summary>Hands the answer to the replica's actor, the only one that writes its log.</summary>
    private static Task<FollowResult> Bring(Told told, FetchResponse.PartitionData data)
    {
        // Completed on the actor's thread, which then sends the next fetch itself: to wake another thread for that costs more than the fetch.
        var reply = new TaskCompletionSource<FollowResult>();
        object message = data.DivergingEpoch.Epoch >= 0
            ? new ReplicaActor.Truncate(told.Position, data.DivergingEpoch.Epoch, data.DivergingEpoch.EndOffset, reply)
            : new ReplicaActor.AppendFetched(told.Position, data.Records.Memory, data.HighWatermark, data.LogStartOffset, reply);
        told.Followed.Replica.Actor.Tell(message, ActorRefs.NoSender);
        return reply.Task;
    }

    /// <summary>The leader does not hold the offset: where its log starts decides whether this one has to start over.</summary>
    private async Task FindStartAsync(Told told, ILeaderConnection connection)
    {
        const long earliest = -2;
        var (followed, position) = (told.Followed, told.Position);
        var partition = followed.Replica.TopicPartition;
        var request = new ListOffsetsRequest
        {
            ReplicaId = _context.BrokerId,
            Topics =
            [
                new()
                {
                    Name = partition.Topic,
                    Partitions = [new() { PartitionIndex = partition.Partition, CurrentLeaderEpoch = position.LeaderEpoch, Timestamp = earliest }],
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
        followed.Replica.Actor.Tell(new ReplicaActor.StartOver(position, answer.Offset, reply), ActorRefs.NoSender);
        await GoOnAsync(followed, reply.Task).ConfigureAwait(false);
    }

    private async Task GoOnAsync(FollowedPartition followed, Task<FollowResult> step)
    {
        if (!step.IsCompleted)
        {
            // An actor that ends leaves what is still in its mailbox unanswered.
            await Task.WhenAny(step, followed.Replica.Ended).ConfigureAwait(false);
            if (!step.IsCompleted)
            {
                return;
            }
        }

        var result = await step.ConfigureAwait(false);
        if (result.Error != ErrorCode.None)
        {
            PutOff(followed, result.Error, result.Message);
            return;
        }

        // Its actor puts a replica that follows somebody else now into other hands; this position is then looked at by nobody.
        followed.Failures = 0;
        if (result.Next is { } next && next != followed.Position)
        {
            followed.Position = next;
            _partitions.GoOn(followed);
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
        _partitions.Pause(followed);
        ReplicationEvents.FetchFailed(_context.Logger, followed.Replica.TopicPartition, Leader, followed.Position.LeaderEpoch, followed.Position.Offset, error, message);
    }
}
