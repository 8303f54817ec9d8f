using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;

namespace Milena.Node.Health;

/// <summary>How a node is, as those see it who start, stop and route to it.</summary>
/// <param name="BrokerId">This node's own id.</param>
/// <param name="IsOpen">Whether it accepts clients.</param>
/// <param name="MinInSync">What a topic, by name, asks for (<c>min.insync.replicas</c>).</param>
/// <param name="Drain">Has the others lead, and be in sync without it; false where the controller did not answer.</param>
/// <param name="Return">Takes that back.</param>
public sealed record NodeHealth(
    int BrokerId,
    Func<bool> IsOpen,
    Func<MetadataImage> Image,
    Func<QuorumStatus> Quorum,
    Func<string, int> MinInSync,
    Func<Task<bool>> Drain,
    Func<Task<bool>> Return)
{
    private const string NoQuorum = "It hears from no leader of the metadata quorum";

    private BrokerRegistration? Self => Image().Brokers.GetValueOrDefault(BrokerId);

    public bool IsDrained => Self is { InControlledShutdown: true };

    /// <summary>Why clients are better served by another node now; empty when they are not.</summary>
    public ImmutableArray<string> NotReady()
    {
        if (!IsOpen())
        {
            return ["It does not accept clients yet"];
        }

        return Self switch
        {
            null => ["It is not registered in its cluster"],
            { Fenced: true } => ["The controller has shut it out"],
            { InControlledShutdown: true } => ["It is drained"],
            _ when !Quorum().HearsLeader => [NoQuorum],
            _ => [],
        };
    }

    public RestartSafety SafeToRestart()
    {
        var safety = RestartSafety.Of(Image(), BrokerId, MinInSync, [.. Quorum().Voters.All.Select(voter => voter.Key.Id)]);
        return Quorum().HearsLeader ? safety : safety with { Reasons = safety.Reasons.Add(NoQuorum) };
    }
}
