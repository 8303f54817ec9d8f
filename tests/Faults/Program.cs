using System.Runtime.InteropServices;
using Milena.Faults;

const int Failed = 1;
try
{
    var options = FaultsOptions.Parse(args);
    if (options.Help)
    {
        Console.WriteLine(FaultsOptions.HelpText);
        return 0;
    }

    using var stop = new CancellationTokenSource();
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopOrderly);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopOrderly);
    Console.WriteLine($"{options.Nodes} nodes, {options.Partitions} partitions and {options.IdlePartitions} idle ones, {options.Writers} writers, {options.Rate} records a second; seed {options.Seed}");
    var result = Campaign.Run(options, Console.Out, stop.Token);
    Report.Write(result, Console.Out);
    return result.Violations.Count == 0 ? 0 : Failed;

    // Nodes, disks and links are taken away on the way out.
    void StopOrderly(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.Cancel();
    }
}
catch (FaultsException e)
{
    await Console.Error.WriteLineAsync($"faults: {e.Message}");
    return FaultsException.ExitCode;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("faults: Stopped before the end; nothing was checked.");
    return Failed;
}
catch (Exception e) when (e is TimeoutException or InvalidDataException or InvalidOperationException)
{
    await Console.Error.WriteLineAsync($"faults: {e.Message}");
    return Failed;
}
