using System.Diagnostics;

namespace Milena.Conformance.Tests;

/// <summary>Outside clients, as a user runs them. One that is missing skips its test on a laptop and fails it in CI.</summary>
internal static class Clients
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    public static void Need(string program, string hint)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
        Assert.True(found || Environment.GetEnvironmentVariable("CI") is null, $"{program} is missing: {hint}");
        Skip.IfNot(found, $"{program} is missing: {hint}");
    }

    public static string Kcat(byte[]? input, params string[] arguments)
    {
        Need("kcat", "apt-get install kcat");
        return Run("kcat", input, arguments);
    }

    public static string Python(string script, params string[] arguments)
    {
        Need("python3", "apt-get install python3");
        return Run("/usr/bin/python3", null, ["-c", script, .. arguments]);
    }

    public static string Run(string program, byte[]? input, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            process.StandardInput.BaseStream.Write(input);
        }

        process.StandardInput.Close();
        if (!process.WaitForExit(Timeout))
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {Timeout}.");
        }

        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {errors.Result}");
        return output.Result;
    }
}
