using System.Diagnostics;

namespace Milena.Faults.Nodes;

/// <summary>Runs the system's own small programs.</summary>
internal static class Shell
{
    /// <exception cref="InvalidOperationException">It could not be started, or ended with an error; the message has what it printed.</exception>
    public static void Run(string program, params string[] arguments)
    {
        if (TryRun(program, arguments) is { } error)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error}");
        }
    }

    /// <returns>Null when it succeeded, else what it printed about it.</returns>
    public static string? TryRun(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : $"{output.Result}{error}".Trim();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return e.Message;
        }
    }
}
