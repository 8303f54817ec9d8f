namespace Milena.Metadata.Settings;

/// <summary>What Kafka has no setting for. They are set while the cluster runs, and are the same for whoever leads the quorum: no configuration file has them.</summary>
public static class OwnBrokerSettings
{
    /// <summary>Whether replicas move to brokers that come.</summary>
    public const string BalancerEnable = "milena.balancer.enable";

    /// <summary>How many partitions may be on their way at once before the controller begins another move.</summary>
    public const string PartitionsInFlight = "milena.balancer.partitions.in.flight";

    /// <summary>For how long a broker has to have been in the cluster before replicas move to it.</summary>
    public const string SettleMs = "milena.balancer.settle.ms";

    /// <summary>How long after it came a broker that is in sync everywhere gets its leaders back; -1: with the next round of leader balancing.</summary>
    public const string LeaderReturnMs = "milena.leader.return.ms";

    /// <summary>Whether a broker is to be emptied.</summary>
    public const string Decommission = "milena.broker.decommission";

    public static IReadOnlyList<SettingDefinition> All { get; } =
    [
        new(BalancerEnable, SettingType.Boolean, "false", "", []),
        new(PartitionsInFlight, SettingType.Int, "10", "1..", []),
        new(SettleMs, SettingType.Long, "60000", "0..", []),
        new(LeaderReturnMs, SettingType.Int, "1000", "-1..", []),
        new(Decommission, SettingType.Boolean, "false", "", []),
    ];
}
