using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>What the controller decided: the records that make it so, and the answer to give once they are committed.</summary>
/// <param name="Records">Written as one atomic append; empty when nothing changes.</param>
public sealed record Decision(IReadOnlyList<IMessage> Records, IResponseMessage Response)
{
    public static Decision Refuse(IResponseMessage response) => new([], response);
}

/// <summary>What a decision may look at beside the image: this node's own settings, chance and time. All of it fixed by a test.</summary>
public sealed record ControllerContext(Settings.StaticSettings Settings, Random Random, Func<Guid> NewId)
{
    public short DefaultReplicationFactor => (short)Settings.GetInt("default.replication.factor");

    public int DefaultPartitions => Settings.GetInt("num.partitions");
}
