using Milena.Coordinators.Groups;
using Milena.Testing;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>Clients that come, go and crash by chance, on a seed that a failure names; coordinators that fail over.</summary>
public sealed class RandomizedGroupTests
{
    private const int Steps = 4_000;

    /// <summary>
    /// How soon a group is stable once its clients behave: the session of one that crashed is at most 20 s, and two rebalances that wait for it
    /// 30 s each.
    /// </summary>
    private static readonly TimeSpan SettlesWithin = TimeSpan.FromSeconds(80);

    private static readonly (int ClientCount, int MaxSize)[] Crowds =
        [(8, int.MaxValue), (8, int.MaxValue), (3, int.MaxValue), (20, int.MaxValue), (8, 4), (12, 2), (1, int.MaxValue), (30, 16)];

    /// <summary>A seed, and the crowd that goes with it.</summary>
    public static TheoryData<int, int, int> Runs()
    {
        var runs = new TheoryData<int, int, int>();
        foreach (var seed in TestProfile.Seeds(usual: Crowds.Length, nightly: 25 * Crowds.Length))
        {
            var (clientCount, maxSize) = Crowds[(seed - 1) % Crowds.Length];
            runs.Add(seed, clientCount, maxSize);
        }

        return runs;
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Whatever_clients_do_the_invariants_hold(int seed, int clientCount, int maxSize)
    {
        var random = new Random(seed);
        var harness = new GroupHarness(new GroupSettings { MaxSize = maxSize }, seed);
        var model = new GroupModel(harness);
        var clients = Enumerable.Range(0, clientCount)
            .Select(index => new SimulatedClient(harness, random, model, $"group-{index % 2}", index % 3 == 0 ? $"static{index}" : null)).ToArray();
        for (var step = 0; step < Steps; step++)
        {
            switch (random.Next(400))
            {
                case 0:
                    harness.FailOver();
                    break;
                case 1:
                    harness.Advance(TimeSpan.FromSeconds(random.Next(120)));
                    break;
                case < 200:
                    harness.Advance(TimeSpan.FromMilliseconds(random.Next(2_000) / clientCount));
                    break;
            }

            clients[random.Next(clientCount)].Act();
            model.Check();
        }

        // How many shares the turmoil itself hands out says nothing: thirty clients act so seldom that time leaps over most of their generations.
        Settle(harness, model, clients, maxSize);
        model.CheckOffsets();
        harness.Advance(TimeSpan.FromHours(2));
        Assert.True(harness.Tickets.All(ticket => ticket.IsAnswered), "EachRequestIsAnswered");
        Assert.All(harness.Live.Snapshot(), group => Assert.Equal(GroupState.Empty, group.State));
        Assert.Equal(harness.Live.Snapshot(), harness.Replayed().Snapshot());
        model.CheckOffsets();
        Assert.True(model.Generations > 10, $"Only {model.Generations} generations: the clients did next to nothing.");
        Assert.True(model.Offsets > 0, "Nothing was committed.");
    }

    /// <summary>Whatever went before: clients that behave have their shares before long, all for whom the group has room.</summary>
    private static void Settle(GroupHarness harness, GroupModel model, SimulatedClient[] clients, int maxSize)
    {
        var groups = clients.GroupBy(client => client.Group).ToList();
        bool AreSettled() => groups.TrueForAll(group => group.Count(client => client.HoldsShare) == Math.Min(group.Count(), maxSize));
        var until = harness.Now + SettlesWithin;
        while (!AreSettled())
        {
            Assert.True(harness.Now < until, $"GroupsGetStable: {string.Join(", ", harness.Live.Snapshot().Select(group => $"{group.GroupId} {group.State}"))}");
            foreach (var client in clients)
            {
                client.Behave();
                model.Check();
            }

            harness.Advance(TimeSpan.FromMilliseconds(200));
        }

        Assert.All(harness.Live.Snapshot(), group => Assert.Equal(GroupState.Stable, group.State));
    }
}
