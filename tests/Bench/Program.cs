using System.Runtime.InteropServices;
using Confluent.Kafka;
using Milena.Bench;

try
{
    var options = BenchOptions.Parse(args);
    if (options.Command == Command.Help)
    {
        Console.WriteLine(BenchOptions.Help);
        return 0;
    }
    return await RunAsync(options);
}
catch (BenchException error)
{
    await Console.Error.WriteLineAsync($"bench: {error.Message}");
    return error.ExitCode;
}
catch (KafkaException error)
{
    await Console.Error.WriteLineAsync($"bench: {error.Error.Reason}");
    return BenchException.Failed;
}

static async Task<int> RunAsync(BenchOptions options)
{
    NativeClient.Load();
    using var stop = new CancellationTokenSource();
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopOrderly);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopOrderly);
    using var broker = await Broker.ConnectAsync(options);
    var results = new List<RunResult>();
    var table = new TableReport(Console.Out);
    if (!options.Json) table.Begin(options);
    try
    {
        await new Suite(options, broker, options.Json ? results.Add : table.Add, stop.Token).RunAsync();
    }
    catch (OperationCanceledException)
    {
        throw new BenchException("Stopped; its topics are deleted.", BenchException.Failed);
    }
    if (options.Json) Console.WriteLine(JsonReport.Write(options, results));
    return 0;

    // The topics are deleted on the way out.
    void StopOrderly(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.Cancel();
    }
}
