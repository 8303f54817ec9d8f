namespace Milena.Broker;

/// <summary>What a client may do with a resource, as a bit set of Kafka's operation codes (KIP-430). Without an authorizer it may do all there is.</summary>
public static class AuthorizedOperations
{
    /// <summary>read, delete, describe, describe configs, alter configs</summary>
    public const int Group = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

    /// <summary>read, write, create, delete, alter, describe, describe configs, alter configs</summary>
    public const int Topic = Group | (1 << 4) | (1 << 5) | (1 << 7);

    /// <summary>create, alter, describe, cluster action, describe configs, alter configs, idempotent write</summary>
    public const int Cluster = (1 << 5) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12);
}
