using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>Runs build.ps1 in PowerShell's engine, which comes as a package: neither PowerShell nor its modules need be installed.</summary>
internal static class BuildScript
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(3);

    public static string File => Checkout.PathOf("build.ps1");

    public sealed record Result(IReadOnlyList<string> Output, string Error, int ExitCode)
    {
        public string Text => string.Join('\n', Output);
    }

    /// <param name="arguments">What is typed after the script's name.</param>
    /// <param name="script">A copy in another folder, which is then the one that it works in.</param>
    public static async Task<Result> RunAsync(string arguments, string? script = null)
    {
        // The second default holds the engine's own commands alone, which are all that the package brings.
        using var runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
        runspace.Open();
        using var shell = PowerShell.Create(runspace);
        shell.AddScript($"& '{script ?? File}' {arguments}");
        var standardError = Console.Error;
        var error = new StringWriter();
        Console.SetError(TextWriter.Synchronized(error));
        try
        {
            var output = await shell.InvokeAsync().WaitAsync(Timeout);
            var problems = error.ToString() + string.Join('\n', shell.Streams.Error);
            var exitCode = Convert.ToInt32(runspace.SessionStateProxy.GetVariable("LASTEXITCODE") ?? 0, CultureInfo.InvariantCulture);
            return new Result([.. output.Select(line => line.ToString())], problems, exitCode);
        }
        catch (TimeoutException)
        {
            shell.Stop();
            throw new TimeoutException($"build.ps1 {arguments} did not end within {Timeout}.");
        }
        finally
        {
            Console.SetError(standardError);
        }
    }
}
