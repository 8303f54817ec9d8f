using Milena.Metadata.Image;
using Milena.Metadata.Settings;

namespace Milena.Node.Configuration;

/// <summary>One Kafka listener: its name, what it binds, what clients are told to connect to, and how they speak there.</summary>
public sealed record Listener(string Name, HostPort Bind, HostPort Advertised, short SecurityProtocol)
{
    private static readonly string[] Protocols = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

    /// <param name="port">The one that is really bound, for a listener that may have any.</param>
    public HostPort AdvertisedWith(int port) => Advertised.Port == 0 ? Advertised with { Port = port } : Advertised;

    /// <param name="listen">The short form, HOST:PORT of one plain listener; it wins over <c>listeners</c>.</param>
    /// <exception cref="StartupException">A listener is named twice, has no protocol, or one that does not work yet.</exception>
    public static IReadOnlyList<Listener> Parse(string? listen, IReadOnlyDictionary<string, string> kafka)
    {
        var protocols = Map(kafka.GetValueOrDefault("listener.security.protocol.map") ?? SettingTable.Broker.Find("listener.security.protocol.map")!.Default!);
        var bound = listen is not null
            ? [("PLAINTEXT", HostPort.Parse(listen, NodeKeys.Listen))]
            : Split(kafka.GetValueOrDefault("listeners") ?? "PLAINTEXT://127.0.0.1:9092", "listeners");
        var advertised = Split(kafka.GetValueOrDefault("advertised.listeners") ?? "", "advertised.listeners").ToDictionary(one => one.Name, one => one.Address);
        var listeners = new List<Listener>();
        foreach (var (name, address) in bound)
        {
            if (listeners.Any(other => other.Name == name))
            {
                throw new StartupException($"The listener {name} is configured twice: every listener needs a name of its own.");
            }

            if (name == BrokerEndPoint.ClusterListener)
            {
                throw new StartupException($"The listener name {name} is taken: under it a node is known to the others.");
            }

            var protocol = Array.IndexOf(Protocols, protocols.GetValueOrDefault(name, name));
            if (protocol != 0)
            {
                throw new StartupException(protocol < 0
                    ? $"The listener {name} has no security protocol: name it in listener.security.protocol.map."
                    : $"The listener {name} asks for {Protocols[protocol]}, which this version does not have yet: only PLAINTEXT works.");
            }

            var shown = advertised.GetValueOrDefault(name) ?? (address.IsWildcard ? address with { Host = Environment.MachineName } : address);
            listeners.Add(new Listener(name, address, shown, (short)protocol));
        }

        if (advertised.Keys.FirstOrDefault(name => listeners.All(listener => listener.Name != name)) is { } unknown)
        {
            throw new StartupException($"advertised.listeners names {unknown}, but listeners does not.");
        }

        return listeners.Count > 0 ? listeners : throw new StartupException("listeners is empty: a node needs at least one.");
    }

    private static List<(string Name, HostPort Address)> Split(string text, string setting) =>
    [
        .. SettingDefinition.SplitList(text).Select(one => one.Split("://") is [var name, var address]
            ? (name.ToUpperInvariant(), HostPort.Parse(address, setting))
            : throw new StartupException($"'{one}' is no value for {setting}: it takes NAME://HOST:PORT."))
    ];

    private static Dictionary<string, string> Map(string text) =>
        SettingDefinition.SplitList(text).Select(pair => pair.Split(':', 2)).ToDictionary(pair => pair[0].ToUpperInvariant(), pair => pair[^1].ToUpperInvariant());
}
