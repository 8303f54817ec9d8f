using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>What a replica begins with.</summary>
/// <param name="FirstVoters">Who votes while the log does not say so: the same set at each of them. Empty where a replica joins others.</param>
/// <param name="Bootstrap">Addresses to ask for the leader while no voters are known.</param>
public sealed record QuorumConfiguration(QuorumIdentity Self, VoterSet FirstVoters, ImmutableArray<QuorumPeer> Bootstrap, QuorumSettings Settings);

/// <summary>The metadata log of a quorum of any size: drives a <see cref="QuorumMachine"/> with a real disk, clock and network.</summary>
/// <remarks>
/// A lock guards machine and log. What is done under it never waits: appends go to the page cache, while <see cref="QuorumDisk"/>'s thread
/// waits for the disk, <see cref="CommittedFeed"/>'s tells the listener, and requests travel as tasks; each comes back with a notice. So an
/// append may come from an actor's handler. After a disk error, or a log that is not what it says, the replica stops: it answers
/// nobody, and its process has to open it anew.
/// </remarks>
public sealed class ReplicatedMetadataLog : IMetadataLog
{
    private readonly Lock _lock = new();
    private readonly QuorumConfiguration _configuration;
    private readonly QuorumLog _log;
    private readonly QuorumMachine _machine;
    private readonly IQuorumTransport _transport;
    private readonly LogEnvironment _environment;
    private readonly long _startedMs;
    private readonly long _startedAt;
    private readonly QuorumDisk _disk;
    private readonly ITimer _timer;
    private readonly Dictionary<long, TaskCompletionSource<IResponseMessage?>> _requests = [];
    private readonly List<Task> _farewells = [];
    private CommittedFeed? _feed;
    private QuorumRole _saidRole = QuorumRole.Unattached;
    private int _saidEpoch = -1;
    private long _lastRequest;
    private SnapshotPart? _part;
    private Snapshot? _frozen;
    private Task _freezing = Task.CompletedTask;
    private Exception? _failure;
    private bool _stopped;

    private ReplicatedMetadataLog(QuorumConfiguration configuration, QuorumLog log, IQuorumTransport transport, LogEnvironment environment, Random random)
    {
        (_configuration, _log, _transport, _environment) = (configuration, log, transport, environment);
        _startedMs = environment.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        _startedAt = environment.Clock.GetTimestamp();
        _machine = new QuorumMachine(
            configuration.Self, configuration.Settings, log.Outline(configuration.FirstVoters), log.ReadElectionState(), configuration.Bootstrap, random, NowMs);
        _disk = new QuorumDisk(
            log,
            version => Do(machine => machine.ElectionStateWritten(version, NowMs)),
            (generation, offset) => Do(machine => machine.Flushed(generation, offset, NowMs)),
            Fail);
        transport.Refused += peer => Do(machine => machine.PeerGone(peer, NowMs));
        _timer = environment.Clock.CreateTimer(_ => Do(machine => machine.Tick(NowMs)), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public long EndOffset
    {
        get
        {
            lock (_lock)
            {
                return _machine.Log.EndOffset;
            }
        }
    }

    public long BytesSinceSnapshot => _feed?.BytesSinceSnapshot ?? 0;

    public QuorumStatus Status
    {
        get
        {
            lock (_lock)
            {
                var (machine, now) = (_machine, NowMs);
                return new QuorumStatus(
                    machine.Role,
                    machine.Epoch,
                    machine.LeaderId,
                    machine.Leader,
                    machine.HearsLeader,
                    machine.IsVoter,
                    machine.HasVoted,
                    machine.Log.Voters,
                    machine.HighWatermark,
                    machine.Log.StartOffset,
                    machine.Log.EndOffset,
                    now,
                    machine.Replicas(now));
            }
        }
    }

    /// <summary>What ended this replica; null while it works.</summary>
    public Exception? Failure
    {
        get
        {
            lock (_lock)
            {
                return _failure;
            }
        }
    }

    /// <summary>Wall-clock time at the start, and from there on a clock that nobody sets: an election must not follow from one.</summary>
    private long NowMs => _startedMs + (long)_environment.Clock.GetElapsedTime(_startedAt).TotalMilliseconds;

    /// <param name="log">Owned from here on, as is the transport.</param>
    /// <exception cref="InvalidDataException">The election state or the log cannot be read.</exception>
    public static ReplicatedMetadataLog Open(
        QuorumConfiguration configuration, QuorumLog log, IQuorumTransport transport, LogEnvironment environment, Random random) =>
        new(configuration, log, transport, environment, random);

    public void Start(IMetadataLogListener listener)
    {
        _feed = new CommittedFeed(_log, listener, Fail);
        if (_log.TakeRestored() is { } restored)
        {
            _feed.Replaced(restored);
        }

        _feed.Start();
        _disk.Start();
        _transport.Serve(AskAsync);
        Do(machine => machine.Tick(NowMs));
    }

    public long Append(int epoch, IReadOnlyList<IMessage> records)
    {
        lock (_lock)
        {
            long? offset = null;
            var batch = MetadataRecords.ToBatch(records, NowMs);
            Do(machine => offset = machine.Append(epoch, batch, NowMs));
            return _failure switch
            {
                null => offset ?? throw new NotControllerException($"This replica does not lead the metadata quorum in epoch {epoch}; it is {_machine.Role} in epoch {_machine.Epoch}."),
                LogIOException failure => throw failure,
                var failure => throw new NotControllerException($"This replica of the metadata quorum has stopped: {failure.Message}"),
            };
        }
    }

    public void WriteSnapshot(MetadataImage image)
    {
        VoterSet? voters;
        lock (_lock)
        {
            voters = _machine.Log.VotersAt(image.Offset);
        }

        var written = _log.WriteSnapshot(image, voters?.ToRecord());
        lock (_lock)
        {
            if (_stopped || _failure is not null)
            {
                return;
            }

            _log.Roll();
            if (written is { } snapshot)
            {
                _machine.SnapshotWritten(snapshot);
            }
        }

        while (TryDropOldest())
        {
            _log.SyncDropped();
        }

        _feed!.SnapshotWritten(image.Offset + 1);
    }

    /// <summary>Puts a request to this replica: another replica's, or an administrator's who describes the quorum, or changes its voters.</summary>
    /// <returns>Null where there is no answer: the request is none of the quorum's, or the replica stopped.</returns>
    public async Task<IResponseMessage?> AskAsync(IRequestMessage request, CancellationToken stopping)
    {
        var reply = new TaskCompletionSource<IResponseMessage?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_stopped || _failure is not null)
            {
                return null;
            }

            if (request is DescribeQuorumRequest describe)
            {
                return QuorumDescription.Of(Status, describe);
            }

            var id = ++_lastRequest;
            _requests.Add(id, reply);
            Do(machine => machine.Receive(id, request, NowMs));
        }

        return await reply.Task.WaitAsync(stopping);
    }

    /// <summary>Puts an administrator's request to the quorum's leader, wherever that is.</summary>
    /// <exception cref="NotControllerException">No leader is known, or the one that was is none any more: nothing was done.</exception>
    /// <exception cref="TimeoutException">There is no answer; what was asked for may still come to pass.</exception>
    public async Task<TResponse> AskLeaderAsync<TResponse>(IRequestMessage request, TimeSpan timeout)
        where TResponse : class, IResponseMessage
    {
        var status = Status;
        var answer = status switch
        {
            { Role: QuorumRole.Leader } => await AskAsync(request, CancellationToken.None).WaitAsync(timeout, _environment.Clock),
            { Leader: { } leader } => await _transport.SendAsync(leader, request, timeout),
            _ => throw new NotControllerException("No leader of the metadata quorum is known."),
        };
        return answer as TResponse ?? throw new TimeoutException($"The leader of the metadata quorum, {status.LeaderId}, does not answer.");
    }

    /// <summary>Hands leadership over if it has it, and closes the log with everything flushed.</summary>
    public async ValueTask DisposeAsync()
    {
        Do(machine => machine.ResignLeadership(NowMs));
        Task[] farewells;
        lock (_lock)
        {
            farewells = [.. _farewells];
        }

        // Each ends by its request's timeout.
        await Task.WhenAll(farewells);
        await StopAsync();
        _log.Close();
    }

    /// <summary>Stops as a crash would: nothing more is written, flushed or told to anybody.</summary>
    public async ValueTask AbandonAsync()
    {
        await StopAsync();
        _log.Dispose();
    }

    private bool TryDropOldest()
    {
        lock (_lock)
        {
            if (_stopped || _failure is not null || _log.TryDropOldest() is not { } first)
            {
                return false;
            }

            _machine.LogCut(first);
            return true;
        }
    }

    private async Task StopAsync()
    {
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = true;
            foreach (var reply in _requests.Values)
            {
                reply.TrySetResult(null);
            }

            _requests.Clear();
        }

        await _timer.DisposeAsync();
        await _transport.DisposeAsync();
        await _disk.StopAsync();
        await _freezing;
        _part?.Dispose();
        if (_feed is { } feed)
        {
            await feed.StopAsync();
        }
    }

    /// <summary>The only way into the machine: its input, and at once what it wants done.</summary>
    private void Do(Action<QuorumMachine> input)
    {
        lock (_lock)
        {
            if (_stopped || _failure is not null)
            {
                return;
            }

            try
            {
                input(_machine);
                foreach (var output in _machine.Drain())
                {
                    Perform(output);
                }
            }
            catch (Exception e)
            {
                // A bug as well as a broken disk: a replica in an unknown state must not promise anything.
                Fail(e);
                return;
            }

            var log = _machine.Log;
            if (log.FlushedOffset < log.EndOffset)
            {
                _disk.Flush(log.Generation, log.EndOffset);
            }

            SayRole();
            WakeAt(_machine.NextDeadlineMs);
        }
    }

    private void WakeAt(long deadlineMs) => _timer.Change(
        deadlineMs == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(Math.Max(0, deadlineMs - NowMs)), Timeout.InfiniteTimeSpan);

    private void SayRole()
    {
        if ((_saidRole, _saidEpoch) != (_machine.Role, _machine.Epoch))
        {
            (_saidRole, _saidEpoch) = (_machine.Role, _machine.Epoch);
            QuorumEvents.RoleChanged(_environment.Logger, _configuration.Self.Key, _machine.Role, _machine.Epoch, _machine.LeaderId, _machine.Log.EndOffset);
        }
    }

    private void Perform(QuorumOutput output)
    {
        switch (output)
        {
            case QuorumOutput.Send send:
                Send(send);
                break;
            case QuorumOutput.Answer answer:
                Reply(answer.RequestId, answer.Response);
                break;
            case QuorumOutput.AnswerWithRecords answer:
                var bytes = _log.Read(answer.FromOffset, _machine.Log.EndOffset, answer.MaxBytes);
                answer.Response.Responses[0].Partitions[0].Records = new Records(bytes);
                Reply(answer.RequestId, answer.Response);
                break;
            case QuorumOutput.AnswerWithSnapshot answer:
                var (size, piece) = _log.ReadSnapshot(answer.Snapshot, answer.Position, answer.MaxBytes);
                Reply(answer.RequestId, answer.Fill(size, piece));
                break;
            case QuorumOutput.Drop drop:
                Reply(drop.RequestId, null);
                break;
            case QuorumOutput.Append append:
                _log.Append(append.Batches.Span);
                break;
            case QuorumOutput.Truncate truncate:
                QuorumEvents.Truncated(_environment.Logger, _configuration.Self.Key, truncate.Offset, _machine.Epoch);
                _log.TruncateTo(truncate.Offset);
                break;
            case QuorumOutput.BeginSnapshot begin:
                QuorumEvents.FetchingSnapshot(_environment.Logger, _configuration.Self.Key, begin.Snapshot.FileName, _machine.Epoch);
                _part = _log.BeginSnapshot(begin.Snapshot);
                break;
            case QuorumOutput.AppendSnapshotPiece append:
                _part!.Append(append.Piece.Span);
                break;
            case QuorumOutput.DropSnapshot:
                _part!.Dispose();
                _part = null;
                break;
            case QuorumOutput.FreezeSnapshot:
                var part = _part!;
                _part = null;
                _freezing = Task.Factory.StartNew(() => Freeze(part), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                break;
            case QuorumOutput.ReplaceLog replace:
                QuorumEvents.GoesOnFromSnapshot(_environment.Logger, _configuration.Self.Key, replace.Snapshot.FileName, _machine.Epoch);
                _feed!.Replaced(_frozen!);
                _log.GoOnFrom(replace.Snapshot);
                break;
            case QuorumOutput.WriteElectionState write:
                _disk.Write(write.Version, write.State);
                break;
            case QuorumOutput.HighWatermarkMoved moved:
                _feed!.Decided(moved.Offset);
                break;
            case QuorumOutput.BecameLeader became:
                _feed!.BecameLeader(became.Epoch);
                break;
            case QuorumOutput.LostLeadership:
                _feed!.LostLeadership(null);
                break;
        }
    }

    /// <summary>Reads what was fetched before it believes it. On a thread of its own, which waits for the disk.</summary>
    private void Freeze(SnapshotPart part)
    {
        using (part)
        {
            try
            {
                if (!part.TryRead(out var snapshot, out var problem))
                {
                    QuorumEvents.SnapshotRefused(_environment.Logger, _configuration.Self.Key, part.Id.FileName, problem);
                    Do(machine => machine.SnapshotRefused(NowMs));
                    return;
                }

                var voters = QuorumLog.VotersOf(snapshot);
                part.Freeze();
                lock (_lock)
                {
                    _frozen = snapshot;
                    Do(machine => machine.SnapshotFrozen(snapshot.Id, voters, NowMs));
                    _frozen = null;
                }
            }
            catch (Exception e)
            {
                // A disk that fails, or an image that this version cannot read: without it the replica cannot go on.
                Fail(e);
            }
        }
    }

    private void Reply(long requestId, IResponseMessage? response)
    {
        if (_requests.Remove(requestId, out var reply))
        {
            reply.SetResult(response);
        }
    }

    private void Send(QuorumOutput.Send send)
    {
        // A task of its own: the answer must not come back into the machine in the middle of its outputs.
        var sending = Task.Run(async () =>
        {
            var response = await _transport.SendAsync(send.To, send.Request, TimeSpan.FromMilliseconds(_configuration.Settings.RequestTimeoutMs));
            Do(machine => machine.Answered(send, response, NowMs));
        });
        if (send.Request is EndQuorumEpochRequest)
        {
            _farewells.RemoveAll(task => task.IsCompleted);
            _farewells.Add(sending);
        }
    }

    private void Fail(Exception cause)
    {
        lock (_lock)
        {
            if (_failure is not null || _stopped)
            {
                return;
            }

            _failure = cause;
            QuorumEvents.Failed(_environment.Logger, _configuration.Self.Key, _machine.Epoch, cause);
            foreach (var reply in _requests.Values)
            {
                reply.TrySetResult(null);
            }

            _requests.Clear();
            _feed?.LostLeadership(cause);
        }
    }
}
