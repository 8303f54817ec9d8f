namespace Milena.Simulation.Tests;

/// <summary>Delays, drops, doubles and reorders what nodes send; a link can be cut in one direction.</summary>
internal sealed class SimulatedNetwork(SimulatedClock clock, Random random)
{
    private readonly HashSet<(int From, int To)> _cut = [];

    public double DropShare { get; set; }

    public double DoubleShare { get; set; }

    public int MaxDelayMs { get; set; } = 3;

    public void Cut(int from, int to) => _cut.Add((from, to));

    public void Heal()
    {
        _cut.Clear();
        (DropShare, DoubleShare, MaxDelayMs) = (0, 0, 3);
    }

    public void Carry(int from, int to, Action deliver)
    {
        var copies = random.NextDouble() < DoubleShare ? 2 : 1;
        for (var i = 0; i < copies; i++)
        {
            // Every copy takes its own time, so that a later message may overtake an earlier one.
            var delay = 1 + random.Next(MaxDelayMs);
            if (random.NextDouble() >= DropShare)
            {
                clock.After(delay, () =>
                {
                    if (!_cut.Contains((from, to)))
                    {
                        deliver();
                    }
                });
            }
        }
    }
}
