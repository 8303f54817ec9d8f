using System.Collections;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Milena.Node;
using Milena.Node.Configuration;
using Milena.Node.Health;

const int Failure = 1;
const int UsageError = 2;

try
{
    var commandLine = CommandLine.Parse(args);
    if (commandLine.WantsHelp)
    {
        Console.WriteLine(CommandLine.Help);
        return 0;
    }

    var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(one => KeyValuePair.Create((string)one.Key, (string?)one.Value ?? ""));
    var configuration = NodeConfiguration.Load(commandLine, environment);
    using var logs = new StandardErrorLogs(Enum.TryParse<LogLevel>(configuration.LogLevel, ignoreCase: true, out var level) ? level : LogLevel.Information, TimeProvider.System);
    using var stop = new CancellationTokenSource();
    void Stop(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.Cancel();
    }

    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    await using var health = configuration.MetricsListen is { } metrics ? await HealthEndpoints.StartAsync(metrics, logs) : null;
    var isFirst = true;
    while (true)
    {
        health?.Node = null;
        await using var node = await MilenaNode.StartAsync(configuration, logs, TimeProvider.System, stop.Token);
        health?.Node = node.Health;
        if (isFirst && !node.Ended.IsCompleted)
        {
            Console.WriteLine(Greeting(node, configuration));
            isFirst = false;
        }

        var stopped = Task.Delay(Timeout.Infinite, stop.Token);
        if (await Task.WhenAny(stopped, node.Ended) == stopped)
        {
            return 0;
        }

        var end = await node.Ended;
        if (!end.StartAgain)
        {
            Console.Error.WriteLine($"milena: {end.Reason}");
            return Failure;
        }

        NodeLog.StartsAgain(logs.CreateLogger("Milena.Node"), end.Reason);
    }
}
catch (OperationCanceledException)
{
    return 0;
}
catch (StartupException e)
{
    Console.Error.WriteLine($"milena: {e.Message}");
    return UsageError;
}

static string Greeting(MilenaNode node, NodeConfiguration configuration)
{
    var first = node.Bound[0];
    var address = first.Listener.AdvertisedWith(first.Port);
    return $"""
        Milena {typeof(MilenaNode).Assembly.GetName().Version?.ToString(3)}, node {configuration.NodeId} of cluster {node.ClusterId}
          Kafka clients   {string.Join(", ", node.Bound.Select(one => $"{one.Listener.Name} {one.Listener.Bind.Host}:{one.Port}"))}
          data            {node.DataDirectory}
          try             echo hello | kcat -b {address} -t greetings -P; kcat -b {address} -t greetings -C -e
        """;
}
