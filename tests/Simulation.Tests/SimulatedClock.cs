namespace Milena.Simulation.Tests;

/// <summary>Virtual time: events run in order of their time, those of one moment in the order in which they were scheduled.</summary>
internal sealed class SimulatedClock
{
    private readonly PriorityQueue<Action, (long TimeMs, long Order)> _events = new();
    private long _scheduled;

    public long NowMs { get; private set; }

    public void At(long timeMs, Action action) => _events.Enqueue(action, (Math.Max(timeMs, NowMs), _scheduled++));

    public void After(long delayMs, Action action) => At(NowMs + delayMs, action);

    /// <summary>Runs one event; false when none is left before <paramref name="endMs"/>.</summary>
    public bool Step(long endMs)
    {
        if (!_events.TryPeek(out var action, out var at) || at.TimeMs > endMs)
        {
            NowMs = endMs;
            return false;
        }

        _events.Dequeue();
        NowMs = at.TimeMs;
        action();
        return true;
    }
}
