namespace Milena.Model;

/// <summary>One partition of a topic; its text is the name of its folder.</summary>
public readonly record struct TopicPartition(string Topic, int Partition)
{
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Topic}-{Partition}");
}

/// <summary>Kafka's rules for the names of topics.</summary>
public static class TopicNames
{
    private const int MaxLength = 249;

    private static readonly HashSet<string> Internal = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

    /// <summary>Whether only brokers write the topic.</summary>
    public static bool IsInternal(string name) => Internal.Contains(name);

    /// <summary>Two names with the same key would collide in the names of metrics, where '.' and '_' are one.</summary>
    public static string CollisionKey(string name) => name.Replace('.', '_');

    /// <returns>Null for a lawful name, else what is wrong with it.</returns>
    public static string? Check(string name)
    {
        if (name.Length == 0)
        {
            return "Topic name is invalid: the empty string is not allowed";
        }

        if (name is "." or "..")
        {
            return $"Topic name is invalid: '{name}' is not allowed";
        }

        if (name.Length > MaxLength)
        {
            return $"Topic name is invalid: the length of '{name}' is longer than the max allowed length {MaxLength}";
        }

        return name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-')
            ? null
            : $"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    }
}
