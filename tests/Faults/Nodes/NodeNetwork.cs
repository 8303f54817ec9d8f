using System.Globalization;
using System.Net.NetworkInformation;

namespace Milena.Faults.Nodes;

/// <summary>A network namespace for each node, all on one bridge of this machine, on which the clients are. Needs Linux, root and <c>ip</c>.</summary>
/// <remarks>
/// A direction of a link is cut by a permanent neighbour entry at the sender that names hardware nobody has: its packets leave and are dropped, nobody is told.
/// </remarks>
public sealed class NodeNetwork : IDisposable
{
    /// <summary>Where the clients are, among the nodes' ids.</summary>
    public const int Clients = 0;

    private const string Nobody = "02:00:00:00:00:01";
    private const string NodesInterface = "eth0";
    private const int ClientsHost = 254;

    /// <summary>A process may have several, one after the other or at once: what one of them takes away must be its own.</summary>
    private static int _last;

    private readonly int _nodes;
    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"mf{Environment.ProcessId:x}x{Interlocked.Increment(ref _last)}");
    private readonly string _subnet = FreeSubnet();
    private readonly HashSet<(int From, int To)> _cut = [];
    private readonly HashSet<int> _slow = [];

    /// <exception cref="InvalidOperationException">It is not permitted here; the message has the system's reason.</exception>
    public NodeNetwork(int nodes)
    {
        _nodes = nodes;
        try
        {
            Shell.Run("ip", "link", "add", Bridge, "type", "bridge");
            Shell.Run("ip", "addr", "add", $"{HostOf(Clients)}/24", "dev", Bridge);
            Shell.Run("ip", "link", "set", Bridge, "up");
            for (var id = 1; id <= nodes; id++)
            {
                AddNode(id);
            }
        }
        catch (InvalidOperationException)
        {
            Dispose();
            throw;
        }
    }

    private string Bridge => $"{_name}b";

    /// <param name="id">A node's, or <see cref="Clients"/>.</param>
    public string HostOf(int id) => string.Create(CultureInfo.InvariantCulture, $"{_subnet}.{(id == Clients ? ClientsHost : id)}");

    /// <summary>What runs a program in a node's namespace.</summary>
    public IReadOnlyList<string> LauncherOf(int id) => ["ip", "netns", "exec", Namespace(id)];

    /// <summary>What <paramref name="from"/> sends to <paramref name="to"/> is lost from now on.</summary>
    public void Cut(int from, int to)
    {
        Neighbour("replace", from, to, "lladdr", Nobody, "nud", "permanent");
        _cut.Add((from, to));
    }

    public void CutBothWays(int one, int other)
    {
        Cut(one, other);
        Cut(other, one);
    }

    /// <summary>Both directions carry so much and no more, behind a queue of so many packets: what does not fit in is lost, what does is late.</summary>
    public void Slow(int one, int other, int kbit, int packets)
    {
        SlowOneWay(one, other, kbit, packets);
        SlowOneWay(other, one, kbit, packets);
    }

    /// <summary>All links are as they were at first.</summary>
    public void Heal()
    {
        foreach (var (from, to) in _cut)
        {
            Neighbour("del", from, to);
        }

        foreach (var id in _slow)
        {
            Shell.Run("tc", "-n", Namespace(id), "qdisc", "del", "dev", NodesInterface, "root");
        }

        _cut.Clear();
        _slow.Clear();
    }

    /// <summary>Takes away what is there of it.</summary>
    public void Dispose()
    {
        for (var id = 1; id <= _nodes; id++)
        {
            Shell.TryRun("ip", "netns", "del", Namespace(id));
        }

        Shell.TryRun("ip", "link", "del", Bridge);
    }

    private static string FreeSubnet()
    {
        var taken = NetworkInterface.GetAllNetworkInterfaces().SelectMany(one => one.GetIPProperties().UnicastAddresses).Select(one => one.Address.ToString()).ToList();
        return Enumerable.Range(0, byte.MaxValue).Select(step => string.Create(CultureInfo.InvariantCulture, $"10.231.{(Environment.ProcessId + step) % byte.MaxValue}"))
            .First(subnet => !taken.Exists(address => address.StartsWith($"{subnet}.", StringComparison.Ordinal)));
    }

    private string Namespace(int id) => string.Create(CultureInfo.InvariantCulture, $"{_name}n{id}");

    private string BridgesEnd(int id) => string.Create(CultureInfo.InvariantCulture, $"{_name}v{id}");

    private void AddNode(int id)
    {
        Shell.Run("ip", "netns", "add", Namespace(id));
        Shell.Run("ip", "link", "add", BridgesEnd(id), "type", "veth", "peer", "name", NodesInterface, "netns", Namespace(id));
        Shell.Run("ip", "link", "set", BridgesEnd(id), "master", Bridge, "up");
        Shell.Run("ip", "-n", Namespace(id), "addr", "add", $"{HostOf(id)}/24", "dev", NodesInterface);
        Shell.Run("ip", "-n", Namespace(id), "link", "set", NodesInterface, "up");
        Shell.Run("ip", "-n", Namespace(id), "link", "set", "lo", "up");
    }

    private void Neighbour(string verb, int from, int to, params string[] more)
    {
        string[] place = from == Clients ? [] : ["-n", Namespace(from)];
        Shell.Run("ip", [.. place, "neigh", verb, HostOf(to), .. more, "dev", from == Clients ? Bridge : NodesInterface]);
    }

    private void SlowOneWay(int from, int to, int kbit, int packets)
    {
        string[] link = ["dev", NodesInterface];
        string[] tc = ["-n", Namespace(from)];
        Shell.Run("tc", [.. tc, "qdisc", "add", .. link, "root", "handle", "1:", "htb", "default", "10"]);
        _slow.Add(from);
        Shell.Run("tc", [.. tc, "class", "add", .. link, "parent", "1:", "classid", "1:10", "htb", "rate", "10gbit"]);
        Shell.Run("tc", [.. tc, "class", "add", .. link, "parent", "1:", "classid", "1:20", "htb", "rate", $"{kbit}kbit"]);
        Shell.Run("tc", [.. tc, "qdisc", "add", .. link, "parent", "1:20", "pfifo", "limit", $"{packets}"]);
        Shell.Run("tc", [.. tc, "filter", "add", .. link, "parent", "1:", "protocol", "ip", "u32", "match", "ip", "dst", $"{HostOf(to)}/32", "flowid", "1:20"]);
    }
}
