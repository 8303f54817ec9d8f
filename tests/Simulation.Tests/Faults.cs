using Milena.Metadata.Quorum;

namespace Milena.Simulation.Tests;

/// <summary>Does something bad to a cluster every now and then, until it is stopped; then all is well again.</summary>
internal sealed class Faults
{
    private const int MaxPauseMs = 500;
    private const int MinVoters = 2;
    private const int MaxVoters = 5;

    private readonly SimulatedCluster _cluster;
    private readonly bool _changesVoters;
    private readonly Random _random;
    private bool _stopped;

    public Faults(SimulatedCluster cluster, bool changesVoters)
    {
        (_cluster, _changesVoters, _random) = (cluster, changesVoters, cluster.Random);
        Next();
    }

    public void Stop()
    {
        _stopped = true;
        _cluster.Trace("all faults end");
        _cluster.Network.Heal();
        foreach (var node in _cluster.Nodes)
        {
            node.DiskMs = 3;
            if (node.Machine is null)
            {
                node.Start();
            }
        }
    }

    private void Next() => _cluster.Clock.After(1 + _random.Next(MaxPauseMs), () =>
    {
        if (!_stopped)
        {
            Inflict();
            Next();
        }
    });

    private void Inflict()
    {
        var node = _cluster.Nodes[_random.Next(_cluster.Nodes.Count)];
        switch (_random.Next(_changesVoters ? 17 : 14))
        {
            case 0 or 1:
                CrashOrStart(node);
                break;
            case 2:
                CrashOrStart(_cluster.Nodes.FirstOrDefault(one => one.Leads) ?? node);
                break;
            case 3:
                CutLink(node, _cluster.Nodes[_random.Next(_cluster.Nodes.Count)]);
                break;
            case 4:
                Isolate(node);
                break;
            case 5 or 6:
                _cluster.Trace("the network heals");
                _cluster.Network.Heal();
                break;
            case 7:
                node.DiskMs = _random.Next(2) == 0 ? 3 : _random.Next(1500);
                _cluster.Trace($"{node} has a disk of {node.DiskMs} ms");
                break;
            case 8:
                (_cluster.Network.DropShare, _cluster.Network.DoubleShare) = (_random.NextDouble() * 0.3, _random.NextDouble() * 0.3);
                _cluster.Network.MaxDelayMs = 1 + _random.Next(300);
                _cluster.Trace("the network is lossy and slow");
                break;
            case 9:
                CrashAll();
                break;
            case 10:
                _cluster.Nodes.FirstOrDefault(one => one.Leads)?.Do(machine => machine.ResignLeadership(_cluster.Clock.NowMs));
                break;
            case 11 or 12:
                Up().ForEach(one => one.WriteSnapshot());
                break;
            case 13:
                Up().ForEach(one => one.Retain());
                break;
            default:
                ChangeVoters(node.Id);
                break;
        }
    }

    /// <summary>Most of those that are there, so that leaders often begin above what the others need.</summary>
    private List<SimulatedNode> Up() => [.. _cluster.Nodes.Where(one => one.Machine is not null && _random.Next(4) > 0)];

    private static void CrashOrStart(SimulatedNode node)
    {
        if (node.Machine is null)
        {
            node.Start();
        }
        else
        {
            node.Crash();
        }
    }

    private void CrashAll()
    {
        foreach (var node in _cluster.Nodes.Where(node => node.Machine is not null).ToList())
        {
            node.Crash();
            _cluster.Clock.After(_random.Next(300), () =>
            {
                if (node.Machine is null)
                {
                    node.Start();
                }
            });
        }
    }

    private void CutLink(SimulatedNode one, SimulatedNode other)
    {
        _cluster.Trace($"{one} is cut from {other}");
        _cluster.Network.Cut(one.Id, other.Id);
        if (_random.Next(2) == 0)
        {
            _cluster.Network.Cut(other.Id, one.Id);
        }
    }

    private void Isolate(SimulatedNode node)
    {
        _cluster.Trace($"{node} is isolated");
        var bothWays = _random.Next(2) == 0;
        foreach (var other in _cluster.Nodes)
        {
            _cluster.Network.Cut(node.Id, other.Id);
            if (bothWays)
            {
                _cluster.Network.Cut(other.Id, node.Id);
            }
        }
    }

    private void ChangeVoters(int id)
    {
        if (_cluster.Nodes.FirstOrDefault(node => node.Leads) is not { } leader)
        {
            return;
        }

        var voters = leader.Machine!.Log.Voters;
        if (voters.Find(id) is null && voters.Count < MaxVoters)
        {
            _cluster.AddVoter(id, leader);
        }
        else if (voters.Find(id) is not null && voters.Count > MinVoters)
        {
            _cluster.RemoveVoter(id, leader);
        }
    }
}
