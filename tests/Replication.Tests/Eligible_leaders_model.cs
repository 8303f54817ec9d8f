using Milena.Metadata.Image;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>
/// The controller's decisions and the leaders' arithmetic together, by seed: four brokers that hear of the metadata late, crash with and
/// without loss, close their logs in order, and are moved to, while the number that has to be in sync changes.
/// </summary>
public sealed class Eligible_leaders_model
{
    private const int Steps = 1000;

    public static TheoryData<int> Seeds() => [.. TestProfile.Seeds(400, 4000)];

    /// <summary>EligibleReplicasHoldWhatIsCommitted.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whoever_is_in_sync_or_eligible_holds_everything_that_was_committed(int seed)
    {
        var run = new EligibleLeadersRun(new Random(seed));
        for (var step = 0; step < Steps; step++)
        {
            run.Step();
            run.Check($"Seed {seed}, step {step}");
        }
    }

    [Fact]
    public void What_the_model_is_about_comes_about()
    {
        var (cleanElections, eligible, committed) = (0, 0, 0);
        foreach (var seed in Enumerable.Range(1, 20))
        {
            var run = new EligibleLeadersRun(new Random(seed));
            for (var step = 0; step < Steps; step++)
            {
                run.Step();
                run.Check($"Seed {seed}, step {step}");
                eligible += run.Partition.EligibleLeaderReplicas.IsEmpty ? 0 : 1;
            }

            (cleanElections, committed) = (cleanElections + run.ElectionsOfEligible, committed + run.EverCommitted);
        }

        Assert.True(cleanElections > 20, $"Only {cleanElections} eligible replicas were elected.");
        Assert.True(eligible > 500, $"Only after {eligible} steps a replica was eligible.");
        Assert.True(committed > 1000, $"Only {committed} records were committed.");
    }
}
