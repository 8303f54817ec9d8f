namespace Milena.Metadata.Image;

/// <summary>Ids that stand in a partition's list of log directories where no directory's own can (KIP-858).</summary>
public static class DirectoryIds
{
    /// <summary>The broker has not said yet where its replica lies.</summary>
    public static Guid Unassigned => Guid.Empty;

    /// <summary>The replica lies in a directory that is offline, of which the broker does not even know the id.</summary>
    public static Guid Lost { get; } = Reserved(1);

    /// <summary>Brokers of clusters that Kafka upgraded said so, before they knew of directories.</summary>
    public static Guid Migrating { get; } = Reserved(2);

    private static Guid Reserved(byte number) => new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number);
}
