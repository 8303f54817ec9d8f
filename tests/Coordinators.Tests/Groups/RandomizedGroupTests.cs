using Milena.Coordinators.Groups;
using Milena.Testing;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>Clients that come, go and crash by chance, on a seed that a failure names; coordinators that fail over.</summary>
public sealed class RandomizedGroupTests
{
    private const int Steps = 4_000;

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

        model.CheckOffsets();
        harness.Advance(TimeSpan.FromHours(2));
        Assert.True(harness.Tickets.All(ticket => ticket.IsAnswered), "EachRequestIsAnswered");
        Assert.All(harness.Live.Snapshot(), group => Assert.Equal(GroupState.Empty, group.State));
        Assert.Equal(harness.Live.Snapshot(), harness.Replayed().Snapshot());
        model.CheckOffsets();
        Assert.True(model.Generations > 20, $"Only {model.Generations} generations: the clients did next to nothing.");
        // Where thirty clients press into groups of sixteen, most generations end before their shares are handed out.
        Assert.True(model.Shares > 5, $"Only {model.Shares} shares were handed out.");
        Assert.True(model.Offsets > 0, "Nothing was committed.");
    }
}
