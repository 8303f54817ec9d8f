using System.Globalization;
using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>What to measure.</summary>
public enum Command
{
    Help,
    Produce,
    Consume,
    Latency,
    All,
    Idle,
}

/// <summary>What the user typed after <c>bench</c>.</summary>
public sealed record BenchOptions(Command Command, string Bootstrap)
{
    private const int MaxRecordBytes = 64 << 20;
    private const int MaxPartitions = 10_000;
    private const int MaxNodes = 100;
    private const double MaxSeconds = 86_400;
    private const double MaxRate = 10_000_000;

    public const string Help = """
        bench: how fast a Kafka broker takes and gives records, seen from one client

        usage: bench produce|consume|latency|all --bootstrap HOST:PORT [options]
               bench idle [options]

          produce   records taken: throughput, and the time until each is acknowledged
          consume   records given: throughput of reading a topic from its beginning to its end
          latency   the time from when a record was due to be sent until a consumer has it, at a fixed rate
          all       produce, consume, produce at the fixed rate, latency
          idle      starts nodes on this machine, which nobody uses: what each of them costs among so many

          --sizes N,...        bytes of a record's value                        (default: 1024)
          --partitions N,...   partitions of the topic; idle: 0 for no topic    (default: 1; idle: 0)
          --codecs NAME,...    none, gzip, snappy, lz4, zstd                    (default: none)
          --acks 0|1|all       who must have a record before it counts          (default: all)
          --seconds S          how long each run sends, or looks                (default: 10)
          --records N          how many records each run sends, instead of --seconds
          --warm-up S          seconds before each run that do not count        (default: 2)
          --rate N             records a second; produce: default as many as possible; latency and all: default 1000
          --linger-ms MS       how long the client collects a batch             (default: 5; at a fixed rate: 0)
          --batch-bytes N      most bytes of a batch                            (default: 1000000)
          --replication N      replicas of each partition                       (default: 1; idle: 3)
          --timeout S          seconds to wait for an answer                    (default: 10)
          --nodes N,...        idle: how many nodes, in one cluster that grows  (default: 3,6,9)
          --set KEY=VALUE      any setting of the client (librdkafka's names), such as security.protocol; idle: of the nodes
          --json               the results as JSON instead of a table
          --help               this text
        """;

    public IReadOnlyList<int> Sizes { get; init; } = [1024];

    public IReadOnlyList<int> Partitions { get; init; } = [1];

    public IReadOnlyList<CompressionType> Codecs { get; init; } = [CompressionType.None];

    public Acks Acks { get; init; } = Acks.All;

    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Null: <see cref="Duration"/> says when a run ends.</summary>
    public long? Records { get; init; }

    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Records a second; null: the command's default.</summary>
    public double? Rate { get; init; }

    /// <summary>Null: the run's default.</summary>
    public double? LingerMs { get; init; }

    public int BatchBytes { get; init; } = 1_000_000;

    public short Replication { get; init; } = 1;

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Ascending.</summary>
    public IReadOnlyList<int> Nodes { get; init; } = [3, 6, 9];

    /// <summary>Of the client, or of the nodes that are started here.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Settings { get; init; } = [];

    public bool Json { get; init; }

    /// <exception cref="BenchException">The arguments are not understood; the message says which, in one line.</exception>
    public static BenchOptions Parse(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0 || arguments.Any(argument => argument is "--help" or "-h" or "help")) return new BenchOptions(Command.Help, "");
        var command = arguments[0] switch
        {
            "produce" => Command.Produce,
            "consume" => Command.Consume,
            "latency" => Command.Latency,
            "all" => Command.All,
            "idle" => Command.Idle,
            _ => throw Wrong($"Unknown command '{arguments[0]}'."),
        };
        var options = command == Command.Idle ? new BenchOptions(command, "") { Partitions = [0], Replication = 3 } : new BenchOptions(command, "");
        for (var position = 1; position < arguments.Count; position++)
        {
            if (arguments[position] == "--json")
            {
                options = options with { Json = true };
                continue;
            }
            var (name, value) = Split(arguments, ref position);
            options = options.With(name, value);
        }
        return options.Checked();
    }

    private BenchOptions With(string name, string value) => name switch
    {
        "--bootstrap" => this with { Bootstrap = Addresses(value) },
        "--sizes" => this with { Sizes = List(value, item => Integer(name, item, 1, MaxRecordBytes)) },
        "--partitions" => this with { Partitions = List(value, item => Integer(name, item, Command == Command.Idle ? 0 : 1, MaxPartitions)) },
        "--codecs" => this with { Codecs = List(value, Codec) },
        "--acks" => this with { Acks = AcksOf(value) },
        "--seconds" => this with { Duration = Seconds(name, value, 0.1) },
        "--records" => this with { Records = Integer(name, value, 1, int.MaxValue) },
        "--warm-up" => this with { WarmUp = Seconds(name, value, 0) },
        "--rate" => this with { Rate = Number(name, value, 0.1, MaxRate) },
        "--linger-ms" => this with { LingerMs = Number(name, value, 0, 60_000) },
        "--batch-bytes" => this with { BatchBytes = Integer(name, value, 1, int.MaxValue) },
        "--replication" => this with { Replication = (short)Integer(name, value, 1, short.MaxValue) },
        "--timeout" => this with { Timeout = Seconds(name, value, 0.1) },
        "--nodes" => this with { Nodes = [.. List(value, item => Integer(name, item, 1, MaxNodes)).Order()] },
        "--set" => this with { Settings = [.. Settings, Assignment(value)] },
        _ => throw Wrong($"Unknown option '{name}'."),
    };

    private BenchOptions Checked()
    {
        if (Bootstrap.Length == 0 && Command != Command.Idle) throw Wrong("--bootstrap HOST:PORT is missing.");
        if (Command is Command.Latency or Command.All && Sizes.Min() < Payloads.StampBytes)
        {
            throw Wrong($"A latency run writes the time into the record: --sizes must be {Payloads.StampBytes} or more, not {Sizes.Min()}.");
        }
        return this;
    }

    private static (string Name, string Value) Split(IReadOnlyList<string> arguments, ref int position)
    {
        var argument = arguments[position];
        if (!argument.StartsWith("--", StringComparison.Ordinal)) throw Wrong($"'{argument}' is no option.");
        if (argument.IndexOf('=') is var equals and > 0) return (argument[..equals], argument[(equals + 1)..]);
        return ++position < arguments.Count ? (argument, arguments[position]) : throw Wrong($"The option {argument} needs a value.");
    }

    private static string Addresses(string value)
    {
        foreach (var address in value.Split(','))
        {
            var colon = address.LastIndexOf(':');
            if (colon <= 0 || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
            {
                throw Wrong($"--bootstrap takes HOST:PORT, not '{address}'.");
            }
        }
        return value;
    }

    private static IReadOnlyList<T> List<T>(string value, Func<string, T> parse) =>
        [.. value.Split(',').Select(item => parse(item.Trim())).Distinct()];

    private static CompressionType Codec(string value) => value switch
    {
        "none" => CompressionType.None,
        "gzip" => CompressionType.Gzip,
        "snappy" => CompressionType.Snappy,
        "lz4" => CompressionType.Lz4,
        "zstd" => CompressionType.Zstd,
        _ => throw Wrong($"--codecs takes none, gzip, snappy, lz4 and zstd, not '{value}'."),
    };

    private static Acks AcksOf(string value) => value switch
    {
        "0" => Acks.None,
        "1" => Acks.Leader,
        "all" or "-1" => Acks.All,
        _ => throw Wrong($"--acks takes 0, 1 or all, not '{value}'."),
    };

    private static TimeSpan Seconds(string name, string value, double min) => TimeSpan.FromSeconds(Number(name, value, min, MaxSeconds));

    private static int Integer(string name, string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Wrong($"{name} takes whole numbers from {min} to {max}, not '{value}'.");

    private static double Number(string name, string value, double min, double max) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Wrong(string.Create(CultureInfo.InvariantCulture, $"{name} takes a number from {min} to {max}, not '{value}'."));

    private static KeyValuePair<string, string> Assignment(string text) =>
        text.IndexOf('=') is var equals and > 0
            ? new(text[..equals].Trim(), text[(equals + 1)..].Trim())
            : throw Wrong($"--set takes KEY=VALUE, not '{text}'.");

    private static BenchException Wrong(string message) => new($"{message} Try: bench --help", BenchException.Unusable);
}
