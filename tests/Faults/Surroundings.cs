using Milena.Faults.Kinds;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>What of this machine a campaign can use: a network, disks and clocks of the nodes' own, where that is permitted.</summary>
internal sealed class Surroundings : IDisposable
{
    private const int DiskMegabytes = 256;

    private readonly Dictionary<Needs, string> _missing = [];

    /// <param name="nodes">How many nodes there will be.</param>
    public Surroundings(int nodes)
    {
        try
        {
            Network = new NodeNetwork(nodes);
        }
        catch (InvalidOperationException e)
        {
            _missing.Add(Needs.Network, e.Message.ReplaceLineEndings(" "));
        }

        if (SmallDisk.WhyNot is { } reason)
        {
            _missing.Add(Needs.Disks, reason);
        }
        else
        {
            Disks = [.. Enumerable.Range(0, nodes).Select(_ => new SmallDisk(DiskMegabytes))];
        }

        if (WallClock.WhyNot is { } noClock)
        {
            _missing.Add(Needs.Clocks, noClock.ReplaceLineEndings(" "));
        }
        else
        {
            Clocks = [.. Enumerable.Range(0, nodes).Select(_ => new WallClock())];
        }
    }

    public NodeNetwork? Network { get; }

    public SmallDisk[]? Disks { get; }

    public WallClock[]? Clocks { get; }

    /// <summary>The kinds that the user wants and this machine can do; says which others it leaves out, and why.</summary>
    /// <exception cref="FaultsException">None is left.</exception>
    public IReadOnlyList<FaultKind> Choose(FaultsOptions options, Action<string> say)
    {
        if (options.From is null)
        {
            _missing[Needs.AnotherBuild] = "--from names no other build";
        }

        if (options.Nodes == RealCluster.Replicas)
        {
            _missing[Needs.SpareNodes] = "all nodes have all partitions; it needs --nodes 4 or more";
        }

        var wanted = options switch
        {
            { Kinds.Count: > 0 } => FaultKind.All.Where(kind => options.Kinds.Contains(kind.Name)),
            { Acks: 1 } => FaultKind.All.Where(kind => kind.Name == "paused-ahead"),
            _ => FaultKind.All.Where(kind => kind != Untouched.Kind),
        };
        var left = wanted.ToLookup(kind => !_missing.ContainsKey(kind.Needs));
        foreach (var kind in left[false])
        {
            say($"left out: {kind.Name}: {_missing[kind.Needs]}");
        }

        return left[true].Any() ? [.. left[true]] : throw new FaultsException("None of the kinds of faults that were asked for can be inflicted here.");
    }

    public void Dispose()
    {
        foreach (var one in (IEnumerable<IDisposable>)[.. Disks ?? [], .. Clocks ?? []])
        {
            one.Dispose();
        }

        Network?.Dispose();
    }
}
