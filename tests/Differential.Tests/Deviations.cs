using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Where Milena answers otherwise on purpose.</summary>
public static class Deviations
{
    /// <param name="Field">How the line ends at both, apart from the value.</param>
    private sealed record Deviation(ApiKey Key, string Field, string Kafka, string Milena, string Reason);

    private static readonly Deviation[] All =
    [
        new(ApiKey.Produce, "ErrorCode", "UnknownServerError", "InvalidRecord", "Kafka meets an exception of its own upon an unknown codec; it is the client's batch that is wrong."),
        new(ApiKey.Produce, "ErrorCode", "UnknownServerError", "CorruptMessage", "The same for a payload that does not unpack."),
        new(ApiKey.Produce, "LogStartOffset", "0", "-1", "Goes with the two above: the log is not looked at."),
        new(ApiKey.Produce, "LogStartOffset", "-1", "0", "The same, where Kafka refuses an unknown codec for the version's sake before it looks."),
        new(ApiKey.DescribeConfigs, "ReadOnly", "False", "True", "The number of threads cannot be changed: the threads that it speaks of are not here."),
        new(ApiKey.IncrementalAlterConfigs, "ErrorCode", "UnknownServerError", "InvalidConfig", "An unknown operation is the client's mistake."),
    ];

    /// <summary>Milena's lines, with those that a deviation explains put as Kafka has them.</summary>
    public static List<string> Undo(ApiKey key, List<string> kafka, List<string> milena)
    {
        var expected = kafka.ToHashSet();
        return milena.ConvertAll(line =>
        {
            if (expected.Contains(line))
            {
                return line;
            }

            var explained = All.FirstOrDefault(one => one.Key == key && line.EndsWith($"{one.Field} = {one.Milena}", StringComparison.Ordinal)
                && expected.Contains(line[..^one.Milena.Length] + one.Kafka));
            return explained is null ? line : line[..^explained.Milena.Length] + explained.Kafka;
        });
    }
}
