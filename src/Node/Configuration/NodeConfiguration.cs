using System.Globalization;
using System.Net;
using Akka.Configuration;
using Milena.Metadata.Settings;

namespace Milena.Node.Configuration;

/// <summary>Everything a node is started with: file, environment and command line laid over the defaults, checked once.</summary>
/// <param name="QuorumListen">Null for the port above that of <paramref name="ClusterListen"/>.</param>
/// <param name="MetricsListen">Null for none.</param>
/// <param name="Gather">The least time between two answers to a follower that carry little; zero for none.</param>
/// <param name="Join">The nodes to meet, by their <paramref name="ClusterListen"/>; empty for a node of its own.</param>
/// <param name="Akka">What the configuration says about Akka itself; laid over the node's own.</param>
public sealed record NodeConfiguration(
    int NodeId,
    string DataDirectory,
    IReadOnlyList<Listener> Listeners,
    HostPort ClusterListen,
    HostPort? QuorumListen,
    HostPort? MetricsListen,
    IReadOnlyList<HostPort> Join,
    StaticSettings Kafka,
    long MaxInFlightBytes,
    long MaxInFlightBytesPerConnection,
    int MaxInFlightRequests,
    TimeSpan Gather,
    string LogLevel,
    Config Akka)
{
    private const string KafkaPrefix = "KAFKA_";

    /// <param name="environment">The process's variables; those that begin with <c>KAFKA_</c> and name a setting count, as in Kafka's image.</param>
    /// <exception cref="StartupException">A key is unknown, or a value does not fit; the message names it.</exception>
    public static NodeConfiguration Load(CommandLine commandLine, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var file = commandLine.ConfigFile is { } path ? ReadFile(path) : Config.Empty;
        CheckKeys(file);
        var kafka = new Dictionary<string, string>();
        var own = new Dictionary<string, string>();
        var akka = new List<KeyValuePair<string, string>>();
        foreach (var (key, value) in Flatten(file, "kafka"))
        {
            kafka[key] = value;
        }

        foreach (var key in NodeKeys.All.Where(file.HasPath))
        {
            own[key] = file.GetString(key);
        }

        foreach (var (variable, value) in environment)
        {
            if (SettingOf(variable) is { } key && SettingTable.Broker.Find(key) is not null)
            {
                kafka[key] = value;
            }
        }

        foreach (var (key, value) in commandLine.Settings)
        {
            if (key.StartsWith("milena.", StringComparison.Ordinal))
            {
                own[Known(key)] = value;
            }
            else if (key.StartsWith("akka.", StringComparison.Ordinal))
            {
                akka.Add(new(key, value));
            }
            else
            {
                kafka[key] = value;
            }
        }

        return Build(file, kafka, own, akka);
    }

    /// <summary>Kafka's image mapping: KAFKA_LOG_RETENTION_MS is log.retention.ms; two underscores are one, three a dash.</summary>
    public static string? SettingOf(string variable) => variable.StartsWith(KafkaPrefix, StringComparison.Ordinal)
        ? variable[KafkaPrefix.Length..].ToLowerInvariant().Replace("___", "-").Replace("__", "\u0001").Replace('_', '.').Replace('\u0001', '_')
        : null;

    private static NodeConfiguration Build(
        Config file, Dictionary<string, string> kafka, Dictionary<string, string> own, List<KeyValuePair<string, string>> akka)
    {
        foreach (var (key, value) in kafka)
        {
            if (StaticSettings.Check(key, value) is { } wrong)
            {
                throw new StartupException(wrong);
            }
        }

        if (kafka.TryGetValue("replica.selector.class", out var selector) && selector.Length > 0 && !selector.EndsWith(".RackAwareReplicaSelector", StringComparison.Ordinal))
        {
            throw new StartupException($"'{selector}' is no value for replica.selector.class: the one that is built in is org.apache.kafka.common.replica.RackAwareReplicaSelector.");
        }

        var nodeId = Number(own, NodeKeys.NodeId, kafka.TryGetValue("node.id", out var id) ? int.Parse(id, CultureInfo.InvariantCulture) : 1, 0, int.MaxValue);
        var data = own.GetValueOrDefault(NodeKeys.Data) ?? kafka.GetValueOrDefault("log.dirs") ?? kafka.GetValueOrDefault("log.dir") ?? "data";
        if (kafka.TryGetValue(CordonedLogDirs.Setting, out var cordoned) && CordonedLogDirs.Check(cordoned, SettingDefinition.SplitList(data)) is { } wrongDirectory)
        {
            throw new StartupException(wrongDirectory);
        }

        var listeners = Listener.Parse(own.GetValueOrDefault(NodeKeys.Listen), kafka);
        var clusterListen = HostPort.Parse(own.GetValueOrDefault(NodeKeys.ClusterListen) ?? "127.0.0.1:4053", NodeKeys.ClusterListen);
        kafka["node.id"] = nodeId.ToString(CultureInfo.InvariantCulture);
        kafka["log.dirs"] = data;
        var overrides = string.Join('\n', akka.Select(setting => $"{setting.Key} = \"{setting.Value.Replace("\"", "\\\"")}\""));
        var akkaConfig = ConfigurationFactory.ParseString(overrides).WithFallback(file);
        return new NodeConfiguration(
            (int)nodeId,
            data,
            listeners,
            clusterListen,
            AddressOf(own, NodeKeys.QuorumListen),
            AddressOf(own, NodeKeys.MetricsListen),
            JoinOf(own.GetValueOrDefault(NodeKeys.Join) ?? ""),
            new StaticSettings(kafka),
            Number(own, NodeKeys.MaxInFlightBytes, 512L << 20, 1 << 20, long.MaxValue),
            Number(own, NodeKeys.MaxInFlightBytesPerConnection, 64L << 20, 1 << 20, long.MaxValue),
            (int)Number(own, NodeKeys.MaxInFlightRequests, 64, 1, 10_000),
            TimeSpan.FromMilliseconds(Number(own, NodeKeys.GatherMs, 8, 0, 100)),
            own.GetValueOrDefault(NodeKeys.LogLevel) ?? "info",
            akkaConfig);
    }

    private static HostPort? AddressOf(Dictionary<string, string> own, string key) => own.TryGetValue(key, out var text) ? HostPort.Parse(text, key) : null;

    private static List<HostPort> JoinOf(string text)
    {
        var addresses = SettingDefinition.SplitList(text).Select(one => HostPort.Parse(one, NodeKeys.Join)).ToList();
        return addresses.Find(address => address.Port == 0 || address.IsWildcard) is { } vague
            ? throw new StartupException($"'{vague}' in {NodeKeys.Join} is no address that a node can be reached at.")
            : [.. addresses.Distinct()];
    }

    private static Config ReadFile(string path)
    {
        try
        {
            return ConfigurationFactory.ParseString(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The configuration file {path} cannot be read: {e.Message}");
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Akka's parser throws plain exceptions of several types; whatever it says is about the text of the file.
            throw new StartupException($"The configuration file {path} is not valid HOCON: {e.Message.ReplaceLineEndings(" ")}");
        }
    }

    private static void CheckKeys(Config file)
    {
        if (file.IsEmpty)
        {
            return;
        }

        foreach (var root in file.Root.GetObject().Items.Keys)
        {
            if (root is not ("milena" or "kafka" or "akka"))
            {
                throw new StartupException($"Unknown key '{root}' in the configuration file: settings stand under milena, kafka or akka.");
            }
        }

        foreach (var (key, _) in Flatten(file, "milena"))
        {
            Known($"milena.{key}");
        }
    }

    private static string Known(string key) => NodeKeys.All.Contains(key)
        ? key
        : throw new StartupException(
            $"Unknown setting '{key}'. The nearest known one is '{NodeKeys.All.MaxBy(known => known.Zip(key).TakeWhile(pair => pair.First == pair.Second).Count())}'.");

    /// <summary>The leaves below a path; a quoted Kafka key is one name, an unquoted one is put together from its levels.</summary>
    private static IEnumerable<(string Key, string Value)> Flatten(Config config, string path)
    {
        if (!config.HasPath(path))
        {
            return [];
        }

        var leaves = new List<(string, string)>();
        Collect(config.GetValue(path), "", leaves);
        return leaves;

        static void Collect(Akka.Configuration.Hocon.HoconValue value, string prefix, List<(string, string)> leaves)
        {
            if (!value.IsObject())
            {
                leaves.Add((prefix, value.IsArray() ? string.Join(',', value.GetStringList()) : value.GetString()));
                return;
            }

            foreach (var (key, child) in value.GetObject().Items)
            {
                Collect(child, prefix.Length == 0 ? key.Trim('"') : $"{prefix}.{key.Trim('"')}", leaves);
            }
        }
    }

    private static long Number(Dictionary<string, string> settings, string key, long @default, long min, long max)
    {
        if (!settings.TryGetValue(key, out var text))
        {
            return @default;
        }

        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new StartupException($"'{text}' is no value for {key}: it takes a whole number from {min} to {max}.");
    }
}

/// <summary>A host name or address, and a port.</summary>
public sealed record HostPort(string Host, int Port)
{
    public static HostPort Parse(string text, string setting)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port > 65535)
        {
            throw new StartupException($"'{text}' is no value for {setting}: it takes HOST:PORT.");
        }

        return new HostPort(text[..colon].Trim('[', ']'), port);
    }

    /// <summary>The address to bind: any for an empty host or a wildcard.</summary>
    /// <exception cref="StartupException">The name has no address.</exception>
    public IPEndPoint ToEndPoint()
    {
        if (Host is "" or "*" or "0.0.0.0")
        {
            return new IPEndPoint(IPAddress.Any, Port);
        }

        if (IPAddress.TryParse(Host, out var address))
        {
            return new IPEndPoint(address, Port);
        }

        try
        {
            var addresses = Dns.GetHostAddresses(Host);
            return new IPEndPoint(addresses.FirstOrDefault(one => one.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork) ?? addresses[0], Port);
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new StartupException($"The host name '{Host}' cannot be resolved: {e.Message}");
        }
    }

    public bool IsWildcard => Host is "" or "*" or "0.0.0.0" or "::";

    public override string ToString() => $"{Host}:{Port}";
}
