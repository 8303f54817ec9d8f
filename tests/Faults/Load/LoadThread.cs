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

    /// <summary>Returns when the thread has ended.</summary>
    public void Stop()
    {
        _stop.Set();
        _thread.Join();
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }
}
