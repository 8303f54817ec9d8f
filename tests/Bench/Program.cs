using System.Net.Sockets;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using Milena.Bench;
using Milena.Bench.Idle;

try
{
    var options = BenchOptions.Parse(args);
    if (options.Command == Command.Help)
    {
        Console.WriteLine(BenchOptions.Help);
        return 0;
    }
    using var stop = new CancellationTokenSource();
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopOrderly);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopOrderly);
    NativeClient.Load();
    await (options.Command == Command.Idle ? LookAtIdleNodesAsync(options, stop.Token) : LoadBrokerAsync(options, stop.Token));
    return 0;

    // Topics and nodes are taken away on the way out.
    void StopOrderly(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.Cancel();
    }
}
catch (BenchException error)
{
    await Console.Error.WriteLineAsync($"bench: {error.Message}");
    return error.ExitCode;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("bench: Stopped; its topics are deleted.");
    return BenchException.Failed;
}
catch (KafkaException error)
{
    await Console.Error.WriteLineAsync($"bench: {error.Error.Reason}");
    return BenchException.Failed;
}

static async Task LoadBrokerAsync(BenchOptions options, CancellationToken stop)
{
    using var broker = await Broker.ConnectAsync(options);
    var results = new List<RunResult>();
    var table = new TableReport(Console.Out);
    if (!options.Json) table.Begin(options);
    await new Suite(options, broker, options.Json ? results.Add : table.Add, stop).RunAsync();
    if (options.Json) Console.WriteLine(JsonReport.Write(options, results));
}

static async Task LookAtIdleNodesAsync(BenchOptions options, CancellationToken stop)
{
    var results = new List<IdleResult>();
    var table = new IdleTable(Console.Out);
    if (!options.Json) table.Begin(options);
    try
    {
        await new IdleRuns(options, options.Json ? results.Add : table.Add, stop).RunAsync();
    }
    catch (Exception error) when (error is TimeoutException or InvalidOperationException or IOException or SocketException)
    {
        throw new BenchException($"The nodes are not as they should be: {Broker.OneLine(error.Message)}", BenchException.Failed);
    }
    if (options.Json) Console.WriteLine(IdleJson.Write(options, results));
}
