using System.Diagnostics;
using System.Text;

namespace Milena.Testing;

/// <summary>A real <c>milena</c> process on free ports, with a data directory of its own. Found by MILENA, else in Node's output.</summary>
public sealed class NodeProcess : IDisposable
{
    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(30);

    private readonly bool _ownsData;
    private readonly StringBuilder _output = new();
    private Process? _process;

    /// <param name="port">0 for any that is free.</param>
    public NodeProcess(string? data = null, int port = 0)
    {
        _ownsData = data is null;
        Data = data ?? Directory.CreateTempSubdirectory("milena-node-").FullName;
        Port = port == 0 ? FreePorts.One() : port;
    }

    public string Data { get; }

    public int Port { get; }

    /// <summary>The address that it listens on.</summary>
    public string Host { get; init; } = "127.0.0.1";

    public string Address => $"{Host}:{Port}";

    /// <summary>A program and its arguments that starts the node in its own place by running it, such as <c>ip netns exec</c>; empty for none.</summary>
    public IReadOnlyList<string> Launcher { get; init; } = [];

    /// <summary>The program that is started next; another build's takes the place of this one's.</summary>
    public string Executable { get; set; } = Program;

    /// <summary>Where it is started; where the tests run unless told otherwise.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>How long its start and its end may take; half a minute unless told otherwise.</summary>
    public TimeSpan Patience { get; init; } = DefaultPatience;

    /// <summary>Takes each line that it prints of what happens, as it prints it.</summary>
    public Action<string>? OnLine { get; init; }

    /// <summary>Everything it printed since its last start.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public static string Program => Environment.GetEnvironmentVariable("MILENA") ?? Path.GetFullPath(
        Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "..", "..", "src", "Node", "bin", Configuration, "net10.0", OperatingSystem.IsWindows() ? "milena.exe" : "milena"));

    private static string Configuration => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Release" : "Debug";

    /// <summary>Starts the program and waits for the line that it prints when clients may come.</summary>
    public NodeProcess Start(params string[] more)
    {
        var (process, firstLine) = Launch(more);
        _process = process;
        if (firstLine is null)
        {
            // Without a time limit the wait includes what is still to come of its output.
            process.WaitForExit();
            throw new InvalidOperationException($"milena ended before it was ready: {Output}");
        }

        return this;
    }

    /// <summary>Runs the program with arguments that must make it give up.</summary>
    public static (int ExitCode, string Error) RunToFailure(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var error = process.StandardError.ReadToEnd();
        if (!process.WaitForExit(DefaultPatience))
        {
            process.Kill();
            throw new TimeoutException($"milena {string.Join(' ', arguments)} goes on running.");
        }

        return (process.ExitCode, error);
    }

    /// <summary>Freezes it (SIGSTOP) or lets it go on (SIGCONT).</summary>
    public void Pause(bool paused)
    {
        using var kill = Process.Start("kill", [paused ? "-STOP" : "-CONT", _process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>The system's id of the process that runs, or ran last.</summary>
    public int ProcessId => _process!.Id;

    /// <summary>What it has in memory at the moment, shared pages among it.</summary>
    public long MemoryBytes
    {
        get
        {
            _process!.Refresh();
            return _process.WorkingSet64;
        }
    }

    public bool IsRunning => _process is { HasExited: false };

    /// <summary>As <c>kill -9</c>.</summary>
    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
    }

    /// <summary>As SIGTERM; waits for the end.</summary>
    public int Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", _process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        return _process.WaitForExit(Patience) ? _process.ExitCode : throw new TimeoutException("milena did not stop on SIGTERM.");
    }

    /// <summary>Waits until it ends by itself.</summary>
    public int WaitForExit()
    {
        // Without a time limit the wait includes what is still to come of its output.
        if (!_process!.WaitForExit(Patience))
        {
            throw new TimeoutException("milena goes on running.");
        }

        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (_process is { HasExited: false })
        {
            Kill();
        }

        _process?.Dispose();
        if (_ownsData)
        {
            Directory.Delete(Data, recursive: true);
        }
    }

    private (Process Process, string? FirstLine) Launch(string[] more)
    {
        string[] arguments = ["start", "--data", Data, "--listen", Address, "--cluster-listen", $"{Host}:{FreePorts.One()}", .. more];
        string[] command = [.. Launcher, Executable, .. arguments];
        lock (_output)
        {
            _output.Clear();
        }

        var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = WorkingDirectory,
        })!;
        // From the beginning: a node that writes more than a pipe holds before it is ready would wait for a reader, and what one says that is never ready is wanted most.
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginErrorReadLine();
        var first = process.StandardOutput.ReadLineAsync();
        if (!first.Wait(Patience))
        {
            process.Kill();
            throw new TimeoutException($"milena was not ready within {Patience}: {Output}");
        }

        return (process, first.Result);
    }

    /// <param name="line">Null at the end of what it prints.</param>
    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.Append(line).Append('\n');
        }

        OnLine?.Invoke(line);
    }
}
