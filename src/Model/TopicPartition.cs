namespace Milena.Model;

/// <summary>One partition of a topic; prints as Kafka names its folder, <c>topic-0</c>.</summary>
public readonly record struct TopicPartition(string Topic, int Partition)
{
    public override string ToString() => $"{Topic}-{Partition}";

    /// <summary>Reads a folder name such as <c>orders-0</c>: the partition is what follows the last dash.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TopicPartition topicPartition)
    {
        topicPartition = default;
        var dash = text.LastIndexOf('-');
        if (dash <= 0 || dash == text.Length - 1) return false;
        var digits = text[(dash + 1)..];
        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit(digit)) return false;
        }
        if (!int.TryParse(digits, out var partition)) return false;
        var topic = text[..dash].ToString();
        if (!TopicNames.IsValid(topic)) return false;
        topicPartition = new TopicPartition(topic, partition);
        return true;
    }
}
