using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>A client that joins, works, changes its mind, leaves and crashes by chance, and otherwise does what clients do.</summary>
internal sealed class SimulatedClient(GroupHarness harness, Random random, GroupModel model, string group, string? instanceId)
{
    /// <summary>Below lie the whims to leave and to subscribe anew.</summary>
    private const int FirstCalmWhim = 2;

    private GroupMemberClient _member = New(harness, random, group, instanceId);
    private Ticket? _pending;
    private List<string>? _toAssign;
    private bool _isStable;

    public string Group => group;

    /// <summary>Whether it was given its share of a generation, and has not heard since that this is over.</summary>
    public bool HoldsShare => _isStable;

    /// <summary>Does one thing.</summary>
    public void Act()
    {
        if (random.Next(150) == 0)
        {
            Crash();
        }
        else
        {
            Behave(lowestWhim: 0);
        }
    }

    /// <summary>Does one thing that a client does which neither crashes nor leaves nor changes its mind.</summary>
    public void Behave() => Behave(lowestWhim: FirstCalmWhim);

    private void Behave(int lowestWhim)
    {
        if (_pending is { IsAnswered: true } answered)
        {
            _pending = null;
            TakeAnswer(answered);
        }
        else if (_pending is null)
        {
            Work(lowestWhim);
        }
    }

    /// <summary>Its process is gone, without a word; a new one starts with nothing but the configuration.</summary>
    public void Crash()
    {
        _member = New(harness, random, group, instanceId);
        (_pending, _toAssign, _isStable) = (null, null, false);
    }

    private static GroupMemberClient New(GroupHarness harness, Random random, string group, string? instanceId) => new(harness, group, instanceId)
    {
        SessionTimeoutMs = random.Next(6_000, 20_000),
        RebalanceTimeoutMs = random.Next(1_000, 30_000),
        Topics = random.Next(4) == 0 ? ["orders", "payments"] : ["orders"],
        Version = instanceId is null && random.Next(5) == 0 ? (short)3 : GroupMemberClient.JoinVersion,
    };

    private void Work(int lowestWhim)
    {
        if (_member.Generation < 0)
        {
            _pending = _member.Join();
            return;
        }

        if (!_isStable)
        {
            _pending = _member.Sync([.. (_toAssign ?? []).Select(id => (id, GroupModel.ShareOf(id, _member.Generation)))]);
            return;
        }

        switch (random.Next(lowestWhim, 100))
        {
            case 0:
                Reset(_member.Leave());
                break;
            case 1:
                _member.Topics = ["orders", $"topic-{random.Next(3)}"];
                Rejoin();
                break;
            case < 40:
                var (partition, offset) = (random.Next(5), (long)random.Next(1_000_000));
                var error = _member.Commit("orders", partition, offset);
                if (error == ErrorCode.None)
                {
                    model.Committed(group, partition, offset);
                }

                React(error);
                break;
            default:
                React(_member.Heartbeat());
                break;
        }
    }

    private void TakeAnswer(Ticket answered)
    {
        if (answered.Response is JoinGroupResponse joined)
        {
            if (joined.ErrorCode == ErrorCode.None)
            {
                _member.TakeGeneration(answered);
                _toAssign = joined.SkipAssignment || joined.Leader != joined.MemberId ? null : [.. joined.Members.Select(member => member.MemberId)];
                _isStable = false;
            }
            else if (joined.ErrorCode == ErrorCode.MemberIdRequired)
            {
                _member.MemberId = joined.MemberId;
            }
            else
            {
                React(joined.ErrorCode);
            }
        }
        else if (answered.Response is SyncGroupResponse synced)
        {
            _isStable = synced.ErrorCode == ErrorCode.None;
            React(synced.ErrorCode);
        }
    }

    private void React(ErrorCode error)
    {
        switch (error)
        {
            case ErrorCode.None:
                break;
            case ErrorCode.RebalanceInProgress:
            case ErrorCode.NotCoordinator:
                Rejoin();
                break;
            case ErrorCode.UnknownMemberId:
            case ErrorCode.IllegalGeneration:
            case ErrorCode.GroupIdNotFound:
            case ErrorCode.GroupMaxSizeReached:
            case ErrorCode.FencedInstanceId:
                Reset(error);
                break;
            default:
                Assert.Fail($"A well-behaved client is told {error}.");
                break;
        }
    }

    /// <summary>Asks for the next generation; a client keeps its member id for that unless it was told that it is unknown.</summary>
    private void Rejoin()
    {
        (_member.Generation, _isStable, _toAssign) = (-1, false, null);
        _pending = _member.Join();
    }

    private void Reset(ErrorCode error)
    {
        (_member.Generation, _isStable, _toAssign) = (-1, false, null);
        if (error != ErrorCode.IllegalGeneration)
        {
            _member.MemberId = "";
        }
    }
}
