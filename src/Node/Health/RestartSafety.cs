using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Node.Health;

/// <summary>Whether a node may be stopped without anybody noticing more than a change of leaders.</summary>
/// <param name="Reasons">Why not, a sentence each; empty when it may.</param>
/// <param name="Interrupted">Partitions that stop whenever this node does, because they have no more replicas than have to be in sync: no reason to wait.</param>
public sealed record RestartSafety(ImmutableArray<string> Reasons, int Interrupted)
{
    private const int MaxNamed = 5;

    public bool IsSafe => Reasons.IsEmpty;

    /// <param name="minInSync">What a topic, by name, asks for (<c>min.insync.replicas</c>).</param>
    /// <param name="voters">The ids of the metadata quorum's voters.</param>
    public static RestartSafety Of(MetadataImage image, int brokerId, Func<string, int> minInSync, IReadOnlyCollection<int> voters)
    {
        var reasons = ImmutableArray.CreateBuilder<string>();
        var lacking = new List<string>();
        var interrupted = 0;
        foreach (var topic in image.TopicsById.Values)
        {
            var min = minInSync(topic.Name);
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                var partition = topic.Partitions[index];
                if (!partition.Replicas.Contains(brokerId))
                {
                    continue;
                }

                if (partition.Replicas.Length <= min)
                {
                    interrupted++;
                }
                else if (partition.Isr.Count(id => id != brokerId && IsIn(image, id)) < Math.Max(1, min))
                {
                    lacking.Add($"{topic.Name}-{index}");
                }
            }
        }

        if (lacking.Count > 0)
        {
            reasons.Add($"{lacking.Count} partitions would have too few replicas in sync: {string.Join(", ", lacking.Take(MaxNamed))}{(lacking.Count > MaxNamed ? ", ..." : "")}");
        }

        var votersLeft = voters.Count(id => id != brokerId && IsIn(image, id));
        if (voters.Count > 1 && voters.Contains(brokerId) && votersLeft <= voters.Count / 2)
        {
            reasons.Add($"Only {votersLeft} of {voters.Count} voters of the metadata quorum would be left");
        }

        return new RestartSafety(reasons.ToImmutable(), interrupted);
    }

    private static bool IsIn(MetadataImage image, int brokerId) =>
        image.Brokers.TryGetValue(brokerId, out var broker) && !broker.Fenced && !broker.InControlledShutdown;
}
