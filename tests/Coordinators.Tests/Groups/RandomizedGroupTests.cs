using Milena.Coordinators.Groups;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>Clients that come, go and crash by chance, on a seed that a failure names; coordinators that fail over.</summary>
public sealed class RandomizedGroupTests
{
    private const int Steps = 4_000;

    [Theory]
    [InlineData(1, 8, int.MaxValue)]
    [InlineData(2, 8, int.MaxValue)]
    [InlineData(3, 3, int.MaxValue)]
    [InlineData(4, 20, int.MaxValue)]
    [InlineData(5, 8, 4)]
    [InlineData(6, 12, 2)]
    [InlineData(7, 1, int.MaxValue)]
    [InlineData(8, 30, 16)]
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
        Assert.True(model.Shares > 20, $"Only {model.Shares} shares were handed out.");
        Assert.True(model.Offsets > 0, "Nothing was committed.");
    }
}
