using System.Buffers;
using System.Collections.Frozen;

namespace Milena.Model;

/// <summary>Kafka's rules for topic names.</summary>
public static class TopicNames
{
    /// <summary>A folder name is topic, dash, partition and perhaps a suffix; 249 leaves room for them in 255.</summary>
    public const int MaxLength = 249;

    public const string ConsumerOffsets = "__consumer_offsets";
    public const string TransactionState = "__transaction_state";
    public const string ShareGroupState = "__share_group_state";
    public const string ClusterMetadata = "__cluster_metadata";

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    /// <summary>Topics that only coordinators write.</summary>
    public static readonly FrozenSet<string> Internal =
        FrozenSet.Create(StringComparer.Ordinal, ConsumerOffsets, TransactionState, ShareGroupState);

    public static bool IsInternal(string name) => Internal.Contains(name);

    public static bool IsValid(string? name) => TryValidate(name, out _);

    /// <summary>False with a sentence for the client when <paramref name="name"/> cannot be a topic.</summary>
    public static bool TryValidate(string? name, out string reason)
    {
        reason = name switch
        {
            null or "" => "The topic name is empty.",
            "." or ".." => "The topic name cannot be \".\" or \"..\".",
            { Length: > MaxLength } => $"The topic name is longer than {MaxLength} characters.",
            _ when name.AsSpan().ContainsAnyExcept(Allowed) =>
                "The topic name contains a character other than ASCII letters, digits, '.', '_' and '-'.",
            _ => "",
        };
        return reason.Length == 0;
    }

    /// <summary>Names with equal keys collide: metric names cannot tell '.' from '_'.</summary>
    public static string CollisionKey(string name) => name.Replace('.', '_');
}
