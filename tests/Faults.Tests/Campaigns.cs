using Milena.Faults.Checking;
using Milena.Testing;
using Xunit.Abstractions;

namespace Milena.Faults.Tests;

/// <summary>Real nodes under load, harmed again and again: what was acknowledged with acks=all is there afterwards, once, in order and on all of them.</summary>
[Collection(nameof(Campaigns))]
public sealed class Campaigns(ITestOutputHelper output)
{
    private const int UsualSeconds = 60;
    private const int NightlySeconds = 600;
    private const int MovingSeconds = 20;
    private const int NightlyMovingSeconds = 300;

    /// <summary>Records a second: more than three nodes and these writers do on two cores.</summary>
    private const int FullLoad = 60_000;

    [Fact]
    public void Nothing_acknowledged_is_lost_whatever_happens_to_single_nodes_links_and_disks_seed_1()
    {
        var result = Run(new FaultsOptions { Seconds = TestProfile.IsNightly ? NightlySeconds : UsualSeconds, Seed = 1 });
        Assert.Empty(result.Violations);
        Assert.True(result.Acknowledged > 0);
        // Two readers, each of which saw all of it.
        Assert.True(result.Read >= 2 * result.Acknowledged);
    }

    [Fact]
    public void Nothing_acknowledged_is_lost_while_partitions_move_between_five_nodes_and_one_of_them_is_killed_seed_1()
    {
        var options = new FaultsOptions { Seconds = MovingSeconds, Seed = 1, Nodes = 5, Kinds = ["reassigned", "reassigned-killed"] };
        var result = Run(TestProfile.IsNightly ? options with { Seconds = NightlyMovingSeconds, Kinds = [] } : options);
        Assert.Empty(result.Violations);
        Assert.True(result.Acknowledged > 0);
        Assert.True(result.Read >= 2 * result.Acknowledged);
    }

    [Fact]
    public void With_acks_1_a_leader_paused_ahead_of_its_followers_loses_records_and_the_checker_says_which()
    {
        var result = Run(new FaultsOptions { Seconds = 1, Seed = 1, Acks = 1 });
        var lost = result.Violations.Where(violation => violation.Kind == ViolationKind.Lost).ToList();
        Assert.NotEmpty(lost);
        var outcome = Assert.Single(result.Outcomes);
        Assert.All(lost, violation => Assert.Contains(violation, outcome.Violations));
    }

    [SkippableFact]
    public void Nobody_is_taken_for_gone_however_much_the_machine_has_to_do()
    {
        Skip.IfNot(TestProfile.IsNightly, "it takes ten minutes of full load; PROFILE=nightly has them");
        var result = Run(new FaultsOptions { Seconds = NightlySeconds, Seed = 1, Kinds = ["untouched"], Rate = FullLoad });
        Assert.Empty(result.Violations);
    }

    private CampaignResult Run(FaultsOptions options)
    {
        using var told = new StringWriter();
        try
        {
            var result = Campaign.Run(options, told);
            Report.Write(result, told);
            return result;
        }
        finally
        {
            output.WriteLine(told.ToString());
        }
    }
}
