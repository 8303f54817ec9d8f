using System.Diagnostics;

namespace Milena.Conformance.Tests;

/// <summary>Kafka's own command-line tools, out of the folder of jars that KAFKA_LIBS names.</summary>
internal static class KafkaTools
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The folder; the test is skipped where there is none, or no Java.</summary>
    public static string Libraries()
    {
        var libraries = Environment.GetEnvironmentVariable("KAFKA_LIBS");
        Skip.If(string.IsNullOrEmpty(libraries), "KAFKA_LIBS names no folder of Kafka's jars");
        Clients.Need("java", "apt-get install default-jre-headless");
        return libraries!;
    }

    /// <param name="tool">The tool's class.</param>
    /// <returns>What it printed, having ended well.</returns>
    public static string Run(string libraries, string tool, string servers, params string[] arguments) =>
        Clients.Run("java", null, Command(libraries, tool, servers, arguments));

    public static int RunForExitCode(string libraries, string tool, string servers, params string[] arguments)
    {
        var start = new ProcessStartInfo("java", Command(libraries, tool, servers, arguments)) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        Assert.True(process.WaitForExit(Patience), $"{tool} {string.Join(' ', arguments)} goes on: {output.Result}{errors.Result}");
        return process.ExitCode;
    }

    private static string[] Command(string libraries, string tool, string servers, string[] arguments) =>
        ["-Xmx256M", "-cp", $"{libraries}/*", tool, "--bootstrap-server", servers, .. arguments];
}
