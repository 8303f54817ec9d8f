using System.Globalization;
using Milena.Faults.Kinds;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>What the user typed.</summary>
public sealed record FaultsOptions
{
    private const int MaxNodes = 9;
    private const int MaxSeconds = 7 * 86_400;
    private const int MaxPartitions = 1000;
    private const int MaxIdlePartitions = 100_000;
    private const int MaxRate = 100_000;
    private const int MaxValueBytes = 1 << 19;

    public int Seconds { get; init; } = 60;

    public int Seed { get; init; } = 1;

    public int Nodes { get; init; } = RealCluster.Replicas;

    /// <summary>-1 is all.</summary>
    public int Acks { get; init; } = -1;

    public int Partitions { get; init; } = 6;

    /// <summary>That nobody writes to, beside the topic under load.</summary>
    public int IdlePartitions { get; init; }

    public int Writers { get; init; } = 3;

    public int Rate { get; init; } = 1000;

    public int ValueBytes { get; init; } = 100;

    /// <summary>Empty: all that the machine permits.</summary>
    public IReadOnlyList<string> Kinds { get; init; } = [];

    /// <summary>A folder for the nodes' own words; null: they are not kept.</summary>
    public string? Logs { get; init; }

    /// <summary>The program of another build, which all nodes begin as; null: there is none.</summary>
    public string? From { get; init; }

    /// <summary>KEY=VALUE, for all nodes.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];

    public bool Help { get; init; }

    public static string HelpText { get; } = $"""
        faults: Milena nodes under load, harmed again and again; then every record is looked for

        usage: faults [options]

          --seconds S        how long faults are inflicted; the last one is ended in peace (default: 60)
          --seed N           chooses kinds, victims and times (default: 1)
          --nodes N          how many nodes, from 3 to 9 (default: 3)
          --kinds NAME,...   only these kinds of faults, of those below (default: all that this machine permits)
          --partitions N     of the topic, with three replicas each, two of which must have a record (default: 6)
          --idle-partitions N
                             of other topics, with three replicas each, that nobody writes to: faults in a big cluster (default: 0)
          --writers N        idempotent producers, each of which writes to all partitions (default: 3)
          --rate N           records a second, of all writers together (default: 1000)
          --value-bytes N    bytes of a record's value (default: 100)
          --acks 1|all       1: without idempotence, and only paused-ahead is inflicted unless --kinds says otherwise:
                             it loses records, and has to be told so (default: all)
          --logs FOLDER      keeps what the nodes print there, and what each of them said when about leaders and ISRs
          --from PROGRAM     milena of another build, as which all nodes begin: what upgraded goes from and back to
          --set KEY=VALUE    a setting for all nodes, such as milena.log-level=debug
          --help             this text

        kinds of faults, in turns and in an order of the seed:

        {string.Join('\n', FaultKind.All.Select(kind => $"  {kind.Name,-18} {kind.Says}"))}

        Each fault ends when all replicas are in sync again. The table has a line for each kind: how many, records acknowledged meanwhile, records
        lost, values duplicated, other violations, and silence in seconds: the longest time between two acknowledgements, in the cluster as a
        whole and in the worst single partition; median, 99th percentile and maximum over the faults of the kind; and how long a group could not
        commit. A * marks what is above the bar.

        Exit codes: 0; 1 when anything was lost, duplicated, reordered or otherwise wrong; 2 for bad arguments.
        """;

    /// <exception cref="FaultsException">The arguments are not understood; the message says which, in one line.</exception>
    public static FaultsOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new FaultsOptions();
        for (var position = 0; position < arguments.Count; position++)
        {
            var name = arguments[position];
            if (name is "--help" or "-h")
            {
                return options with { Help = true };
            }

            if (!name.StartsWith("--", StringComparison.Ordinal))
            {
                throw Wrong($"'{name}' is no option.");
            }

            options = ++position < arguments.Count ? options.With(name, arguments[position]) : throw Wrong($"The option {name} needs a value.");
        }

        return options;
    }

    private FaultsOptions With(string name, string value) => name switch
    {
        "--seconds" => this with { Seconds = Integer(name, value, 1, MaxSeconds) },
        "--seed" => this with { Seed = Integer(name, value, 0, int.MaxValue) },
        "--nodes" => this with { Nodes = Integer(name, value, RealCluster.Replicas, MaxNodes) },
        "--kinds" => this with { Kinds = [.. value.Split(',').Select(Kind)] },
        "--partitions" => this with { Partitions = Integer(name, value, 1, MaxPartitions) },
        "--idle-partitions" => this with { IdlePartitions = Integer(name, value, 0, MaxIdlePartitions) },
        "--writers" => this with { Writers = Integer(name, value, 1, 100) },
        "--rate" => this with { Rate = Integer(name, value, 1, MaxRate) },
        "--value-bytes" => this with { ValueBytes = Integer(name, value, Checking.Value.Size, MaxValueBytes) },
        "--acks" => this with { Acks = value switch { "1" => 1, "all" => -1, _ => throw Wrong($"--acks takes 1 or all, not '{value}'.") } },
        "--set" => this with { Settings = [.. Settings, value] },
        "--from" => this with { From = value },
        "--logs" => this with { Logs = value },
        _ => throw Wrong($"Unknown option '{name}'."),
    };

    private static string Kind(string name) =>
        FaultKind.All.Any(kind => kind.Name == name) ? name : throw Wrong($"'{name}' is no kind of fault.");

    private static int Integer(string name, string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Wrong($"{name} takes whole numbers from {min} to {max}, not '{value}'.");

    private static FaultsException Wrong(string message) => new($"{message} Try: faults --help");
}
