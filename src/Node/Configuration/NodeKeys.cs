namespace Milena.Node.Configuration;

/// <summary>The settings that are Milena's own. Everything that Kafka has a name for stands under <c>kafka</c> with that name.</summary>
public static class NodeKeys
{
    public const string NodeId = "milena.node-id";
    public const string Data = "milena.data";
    public const string Listen = "milena.listen";
    public const string ClusterListen = "milena.cluster-listen";
    public const string Join = "milena.join";
    public const string QuorumListen = "milena.quorum-listen";
    public const string MetricsListen = "milena.metrics-listen";
    public const string MaxInFlightBytes = "milena.network.max-in-flight-bytes";
    public const string MaxInFlightBytesPerConnection = "milena.network.max-in-flight-bytes-per-connection";
    public const string MaxInFlightRequests = "milena.network.max-in-flight-requests";
    public const string GatherMs = "milena.replication.gather-ms";
    public const string LogLevel = "milena.log-level";

    public static IReadOnlyList<string> All { get; } =
        [NodeId, Data, Listen, ClusterListen, Join, QuorumListen, MetricsListen, MaxInFlightBytes, MaxInFlightBytesPerConnection, MaxInFlightRequests, GatherMs, LogLevel];
}

/// <summary>The configuration cannot be used. The message is one line that says what to do; no stack trace helps the user.</summary>
public sealed class StartupException(string message) : Exception(message);
