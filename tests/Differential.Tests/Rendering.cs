using System.Collections;
using System.Globalization;
using System.Reflection;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Prints an answer a field a line, such as <c>Topics[0].ErrorCode = None</c>; free fields as <c>*</c>.</summary>
public static class Rendering
{
    /// <summary>Ids, times and addresses, which differ from run to run, and texts for people.</summary>
    private static readonly HashSet<string> FreeFields =
    [
        "TopicId", "ClusterId", "Port", "ErrorMessage", "LogAppendTimeMs", "ProducerId", "MemberId", "Leader", "ThrottleTimeMs", "FinalizedFeaturesEpoch",
        "SessionId", "LeaderEpoch", "LogDir", "TotalBytes", "UsableBytes", "BatchIndexErrorMessage", "Documentation",
    ];

    /// <summary>How far each log has come, and when: free where it says anything at all.</summary>
    private static readonly HashSet<string> FreeWhenKnown =
        [.. new[] { "HighWatermark", "ReplicaDirectoryId", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp" }.Select(name => $"DescribeQuorumResponse.{name}")];

    public static List<string> Of(IMessage? response)
    {
        var lines = new List<string>();
        if (response is null)
        {
            lines.Add("the connection was closed");
        }
        else
        {
            Fields(response, "", lines);
        }

        return lines;
    }

    private static void Fields(object message, string path, List<string> lines)
    {
        foreach (var property in message.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetIndexParameters().Length == 0)
            {
                var value = property.GetValue(message);
                var isFree = FreeWhenKnown.Contains($"{message.GetType().DeclaringType?.Name}.{property.Name}") && value is not -1L && !Guid.Empty.Equals(value);
                Value(isFree ? "*" : value, path.Length == 0 ? property.Name : $"{path}.{property.Name}", property.Name, lines);
            }
        }
    }

    private static void Value(object? value, string path, string name, List<string> lines)
    {
        switch (value)
        {
            case var _ when FreeFields.Contains(name):
                lines.Add($"{path} = *");
                break;
            case null:
                lines.Add($"{path} = null");
                break;
            case string or bool or Guid or ErrorCode:
                lines.Add($"{path} = {value}");
                break;
            case IFormattable number when value.GetType().IsPrimitive:
                lines.Add($"{path} = {number.ToString(null, CultureInfo.InvariantCulture)}");
                break;
            case Records records:
                lines.Add($"{path} = {(records.IsNull ? "null" : Convert.ToHexString(Unstamped(records.Memory.ToArray())))}");
                break;
            case ReadOnlyMemory<byte> bytes:
                lines.Add($"{path} = {Convert.ToHexString(bytes.Span)}");
                break;
            case IEnumerable list:
                var index = 0;
                foreach (var item in InOrder(list))
                {
                    Value(item, $"{path}[{index++}]", name, lines);
                }

                lines.Add($"{path}.Count = {index}");
                break;
            default:
                Fields(value, path, lines);
                break;
        }
    }

    /// <summary>Lists are sets to clients: they are compared in the order of what identifies their items.</summary>
    private static IEnumerable<object?> InOrder(IEnumerable list) => list.Cast<object?>().OrderBy(
        item => item is null or string || item.GetType().IsPrimitive
            ? string.Create(CultureInfo.InvariantCulture, $"{item,20}")
            : string.Join('|', new[] { "Name", "GroupId", "ResourceName", "ApiKey", "PartitionIndex", "Index", "Partition", "NodeId" }
                .Select(key => item.GetType().GetProperty(key)?.GetValue(item)).Select(key => string.Create(CultureInfo.InvariantCulture, $"{key,20}"))),
        StringComparer.Ordinal).ThenBy(WhatItSays, StringComparer.Ordinal);

    /// <summary>Where free fields alone tell items apart, such as topics by their ids.</summary>
    private static string WhatItSays(object? item)
    {
        var lines = new List<string>();
        if (item is not (null or string) && !item.GetType().IsPrimitive && item is not Guid)
        {
            Fields(item, "", lines);
        }

        return string.Join('\n', lines);
    }

    /// <summary>The leader epoch in a batch is the broker's, and so is the time in one that is stamped with it.</summary>
    private static byte[] Unstamped(byte[] records)
    {
        var rest = records.AsSpan();
        while (RecordBatchHeader.TryRead(rest, out var header) == ErrorCode.None)
        {
            rest[RecordBatchHeader.LeaderEpochAt..][..sizeof(int)].Clear();
            if (header.TimestampType == TimestampType.LogAppendTime)
            {
                rest[RecordBatchHeader.CrcAt..][..sizeof(uint)].Clear();
                rest[RecordBatchHeader.MaxTimestampAt..][..sizeof(long)].Clear();
            }

            rest = header.SizeInBytes < rest.Length ? rest[header.SizeInBytes..] : [];
        }

        // What the size limit cut off before the header's end.
        rest[Math.Min(RecordBatchHeader.LeaderEpochAt, rest.Length)..].Clear();
        return records;
    }
}
