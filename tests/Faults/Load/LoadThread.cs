namespace Milena.Faults.Load;

/// <summary>A thread that a client of the load has to itself, until it is told to stop.</summary>
internal sealed class LoadThread : IDisposable
{
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;

    /// <param name="run">Has to return soon once <see cref="IsStopping"/>; it begins with <see cref="Start"/>.</param>
    public LoadThread(string name, Action run) => _thread = new Thread(() => run()) { IsBackground = true, Name = name };

    public bool IsStopping => _stop.IsSet;

    public void Start() => _thread.Start();

    /// <summary>Lets some time pass, or less when it is told to stop.</summary>
    public void Pause(TimeSpan time) => _stop.Wait(time);

    /// <summary>Tells the thread to end.</summary>
    /// <returns>Whether it did so in time. One that did not is left to itself: it waits in the client's library, which nobody can end.</returns>
    public bool Stop(TimeSpan patience)
    {
        _stop.Set();
        return _thread.Join(patience);
    }

    /// <summary>After <see cref="Stop"/>.</summary>
    public void Dispose()
    {
        if (!_thread.IsAlive)
        {
            _stop.Dispose();
        }
    }
}
