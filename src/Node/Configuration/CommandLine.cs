namespace Milena.Node.Configuration;

/// <summary>What the user typed after <c>milena</c>, as settings by HOCON path or Kafka key, in the order given.</summary>
public sealed record CommandLine(string? ConfigFile, IReadOnlyList<KeyValuePair<string, string>> Settings, bool WantsHelp)
{
    private static readonly Dictionary<string, string> Options = new()
    {
        ["--data"] = NodeKeys.Data,
        ["--listen"] = NodeKeys.Listen,
        ["--cluster-listen"] = NodeKeys.ClusterListen,
        ["--node-id"] = NodeKeys.NodeId,
        ["--join"] = NodeKeys.Join,
        ["--quorum-listen"] = NodeKeys.QuorumListen,
        ["--metrics-listen"] = NodeKeys.MetricsListen,
    };

    public const string Help = """
        milena: one program that is a Kafka-compatible cluster node

        usage: milena [start] [options]

          --config FILE               read settings from a HOCON file (config/node.conf shows them)
          --data DIR                  where the logs are kept            (default: data)
          --listen HOST:PORT          where Kafka clients connect        (default: 127.0.0.1:9092)
          --cluster-listen HOST:PORT  where other nodes connect          (default: 127.0.0.1:4053)
          --node-id N                 this node's id in the cluster      (default: 1)
          --join HOST:PORT,...        the nodes to meet, by their --cluster-listen; the same list on each of them
          --quorum-listen HOST:PORT   where the metadata quorum talks    (default: one port above --cluster-listen)
          --metrics-listen HOST:PORT  where health and draining are served over HTTP, usually port 9404 (default: off)
          --set KEY=VALUE             any setting: a Kafka broker setting, or a path that begins with akka. or milena.
          --help                      this text
        """;

    /// <exception cref="StartupException">The arguments are not understood; the message says which, in one line.</exception>
    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        string? configFile = null;
        var settings = new List<KeyValuePair<string, string>>();
        var position = 0;
        if (arguments.Count > 0 && !arguments[0].StartsWith('-'))
        {
            if (arguments[0] is not ("start" or "help"))
            {
                throw new StartupException($"Unknown command '{arguments[0]}'. Try: milena --help");
            }

            position = 1;
        }

        if (arguments.Any(argument => argument is "--help" or "-h" or "help"))
        {
            return new CommandLine(null, [], WantsHelp: true);
        }

        for (; position < arguments.Count; position++)
        {
            var (name, value) = Split(arguments, ref position);
            if (name == "--config")
            {
                configFile = value;
            }
            else if (name == "--set")
            {
                settings.Add(Assignment(value));
            }
            else if (Options.TryGetValue(name, out var key))
            {
                settings.Add(new(key, value));
            }
            else
            {
                throw new StartupException($"Unknown option '{name}'. Try: milena --help");
            }
        }

        return new CommandLine(configFile, settings, WantsHelp: false);
    }

    private static (string Name, string Value) Split(IReadOnlyList<string> arguments, ref int position)
    {
        var argument = arguments[position];
        var equals = argument.IndexOf('=');
        if (argument.StartsWith("--", StringComparison.Ordinal) && equals > 0)
        {
            return (argument[..equals], argument[(equals + 1)..]);
        }

        if (argument != "--config" && argument != "--set" && !Options.ContainsKey(argument))
        {
            return (argument, "");
        }

        return ++position < arguments.Count
            ? (argument, arguments[position])
            : throw new StartupException($"The option {argument} needs a value. Try: milena --help");
    }

    private static KeyValuePair<string, string> Assignment(string text) =>
        text.IndexOf('=') is var equals and > 0
            ? new(text[..equals].Trim(), text[(equals + 1)..].Trim())
            : throw new StartupException($"--set takes KEY=VALUE, not '{text}'.");
}
