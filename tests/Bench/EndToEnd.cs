namespace Milena.Bench;

/// <summary>Sends stamped records at a rate and reads them back beside it: the time from when each was due until a consumer has it.</summary>
/// <remarks>Both ends are in this process, so that one clock measures both.</remarks>
internal sealed class EndToEnd(BenchOptions options, Workload workload, string topic, double rate)
{
    private static readonly TimeProvider Clock = TimeProvider.System;

    private readonly LatencyHistogram _latency = new(Clock);
    private long _measuredFrom = long.MaxValue;
    private long _expected = long.MaxValue;
    private long _givenUpAt = long.MaxValue;

    /// <exception cref="BenchException">Records were not taken, or did not arrive.</exception>
    public async Task<RunResult> RunAsync(Limit warmUp, Limit limit, CancellationToken stop)
    {
        using var reader = new TopicReader(options, workload, topic);
        reader.Assign();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var read = OnThreadOfItsOwn(() => Read(reader, reading.Token));
        var sent = OnThreadOfItsOwn(() => Send(warmUp, limit, stop));
        // Both are waited for, however they end: the reader lets go of the consumer before it is disposed, and a sender that failed says why.
        await sent.ContinueWith(_ => { }, TaskScheduler.Default);
        if (!sent.IsCompletedSuccessfully) await reading.CancelAsync();
        await read.ContinueWith(_ => { }, TaskScheduler.Default);
        var (start, result) = await sent;
        var elapsed = Clock.GetElapsedTime(start, await read);
        return new RunResult("latency", workload, rate, result.Records, elapsed, _latency.Summary(), result.SendLag);
    }

    private static Task<T> OnThreadOfItsOwn<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private (long Start, Sent Sent) Send(Limit warmUp, Limit limit, CancellationToken stop)
    {
        using var producer = new LoadProducer(options, workload, topic, rate);
        producer.Send(warmUp, stamped: true, stop);
        var start = Clock.GetTimestamp();
        Volatile.Write(ref _measuredFrom, start);
        var sent = producer.Send(limit, stamped: true, stop);
        Volatile.Write(ref _givenUpAt, Clock.GetTimestamp() + (long)(options.Timeout.TotalSeconds * Clock.TimestampFrequency));
        Volatile.Write(ref _expected, sent.Records);
        return (start, sent);
    }

    /// <returns>When the last record had come.</returns>
    private long Read(TopicReader reader, CancellationToken stop)
    {
        long last = 0;
        while (_latency.Count < Volatile.Read(ref _expected))
        {
            stop.ThrowIfCancellationRequested();
            var value = reader.Poll();
            var now = Clock.GetTimestamp();
            if (value is null)
            {
                if (now > Volatile.Read(ref _givenUpAt)) throw Missing();
                continue;
            }
            var due = Payloads.ReadStamp(value);
            if (due < Volatile.Read(ref _measuredFrom)) continue;
            _latency.Record(due, now);
            last = now;
        }
        return last;
    }

    private BenchException Missing()
    {
        var message = $"Of {Volatile.Read(ref _expected)} records only {_latency.Count} arrived within {options.Timeout.TotalSeconds:0.#} s.";
        return new BenchException(message, BenchException.Failed);
    }
}
