namespace Milena.Metadata.Quorum;

/// <summary>How long the quorum waits for what, and how much it sends at once. Named as Kafka's settings where there are any.</summary>
/// <remarks>
/// Kafka's defaults are larger, because its controllers are few and its brokers wait 9 s for a session anyway. Ours let a cluster whose
/// leader died decide again within two seconds; see the room's README.
/// </remarks>
public sealed record QuorumSettings
{
    /// <summary><c>controller.quorum.election.timeout.ms</c> (Kafka: 1000). Each wait is drawn from it up to its double.</summary>
    public int ElectionTimeoutMs { get; init; } = 500;

    /// <summary><c>controller.quorum.fetch.timeout.ms</c> (Kafka: 2000): a follower without an answer this long, or up to a
    /// quarter longer, stands for election.</summary>
    public int FetchTimeoutMs { get; init; } = 1000;

    /// <summary><c>controller.quorum.election.backoff.max.ms</c> (Kafka: 1000): the longest wait after a lost election.</summary>
    public int ElectionBackoffMaxMs { get; init; } = 300;

    /// <summary><c>controller.quorum.request.timeout.ms</c> (Kafka: 2000): the transport fails a request that takes longer.</summary>
    public int RequestTimeoutMs { get; init; } = 1000;

    /// <summary><c>controller.quorum.retry.backoff.ms</c> (Kafka: 20).</summary>
    public int RetryBackoffMs { get; init; } = 50;

    /// <summary>How long a leader keeps a fetch that has nothing to fetch (Kafka: 500). Its answer is the leader's heartbeat.</summary>
    public int FetchMaxWaitMs { get; init; } = 250;

    /// <summary><c>controller.quorum.fetch.max.bytes</c> (Kafka: 8 MiB); a first batch that is larger goes alone.</summary>
    public int FetchMaxBytes { get; init; } = 1 << 20;

    /// <summary>The longest that a request to add a voter waits for the newcomer to catch up, whatever it asks for.</summary>
    public int VoterChangeMaxMs { get; init; } = 30_000;

    /// <summary>A leader that a majority has not fetched from for this long resigns (Kafka's factor too).</summary>
    public int CheckQuorumTimeoutMs => FetchTimeoutMs * 3 / 2;

    /// <summary>A leader forgets an observer that was silent for this long.</summary>
    public int ObserverTimeoutMs { get; init; } = 300_000;

    /// <summary>Observers that a leader keeps account of, and so fetches that it parks; further ones are answered at once.</summary>
    public int MaxReplicas { get; init; } = 1024;

    /// <summary>Answers that wait for the election state to reach the disk; further requests are dropped.</summary>
    public int MaxParkedAnswers { get; init; } = 1024;
}
