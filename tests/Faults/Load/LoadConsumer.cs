using Confluent.Kafka;
using Milena.Testing;

namespace Milena.Faults.Load;

/// <summary>A consumer of the load, on a thread of its own, for as long as the campaign lasts.</summary>
/// <remarks>
/// A client may hang by itself: in librdkafka 2.16 two threads wait for each other's lock where a broker leaves the metadata while the client asks for the
/// end of a leader epoch (its issue 5476). Its <c>Close</c> never returns then, which tells it from one that a cluster does not answer.
/// </remarks>
public abstract class LoadConsumer : IDisposable
{
    protected static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(100);

    /// <summary>More than a client waits for a node that answers nothing.</summary>
    private static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(30);

    private readonly LoadThread _thread;

    protected LoadConsumer(string name)
    {
        Name = name;
        _thread = new LoadThread(name, Run);
    }

    public string Name { get; }

    /// <summary>Whether its client did not end when it was told to.</summary>
    public bool Hangs { get; private set; }

    protected bool IsStopping => _thread.IsStopping;

    public void Start() => _thread.Start();

    /// <summary>Waits until all up to an offset of each partition is done with, and ends.</summary>
    /// <param name="last">The offset by partition.</param>
    /// <returns>Null; or, where its client hangs before it is that far, another one that goes on from there once it is started.</returns>
    /// <exception cref="TimeoutException">It does not come that far, and not because of its client.</exception>
    public LoadConsumer? Finish(IReadOnlyList<long> last, TimeSpan patience, TimeSpan? closeTime = null)
    {
        var hasAll = Wait.TryUntil(() => HasAll(last), patience);
        Hangs = !_thread.Stop(closeTime ?? CloseTime);
        return (hasAll, Hangs) switch
        {
            (true, _) => null,
            (false, true) => Successor(),
            _ => throw new TimeoutException($"Not within {patience}: {Name} is done with the offsets {string.Join(", ", last)}; it is at {Progress}."),
        };
    }

    public void Dispose()
    {
        _thread.Stop(CloseTime);
        _thread.Dispose();
    }

    protected abstract void Run();

    protected abstract bool HasAll(IReadOnlyList<long> last);

    /// <summary>How far it is, for a sentence.</summary>
    protected abstract string Progress { get; }

    /// <summary>One that goes on from where this one is.</summary>
    protected abstract LoadConsumer Successor();

    private protected IConsumer<Ignore, byte[]> Build(LoadSettings settings, string group, AutoOffsetReset reset, Action<ConsumerBuilder<Ignore, byte[]>>? configure = null)
    {
        var builder = new ConsumerBuilder<Ignore, byte[]>(Config(settings, group, reset))
            .SetErrorHandler((_, _) => { })
            .SetLogHandler((_, line) => Logged(settings, line));
        configure?.Invoke(builder);
        return builder.Build();
    }

    private void Logged(LoadSettings settings, LogMessage line)
    {
        // After each commit it lists its partitions.
        if (!line.Facility.StartsWith("DUMP", StringComparison.Ordinal))
        {
            settings.OnGroupLine?.Invoke($"{Name} {line.Facility}: {line.Message}");
        }
    }

    private ConsumerConfig Config(LoadSettings settings, string group, AutoOffsetReset reset) => new()
    {
        BootstrapServers = settings.Bootstrap,
        ClientId = Name,
        GroupId = group,
        EnableAutoCommit = false,
        AutoOffsetReset = reset,
        SocketTimeoutMs = 6000,
        RetryBackoffMs = 50,
        FetchWaitMaxMs = 100,
        Debug = settings.OnGroupLine is null ? null : "cgrp",
    };
}
