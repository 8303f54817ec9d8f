using System.Diagnostics;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>A node that some other command starts: <c>dotnet run</c>, or a published program. The command gets free ports and data of its own.</summary>
internal sealed class StartedNode : IDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);

    // Only its free port and its folder are used.
    private readonly NodeProcess _place = new();
    private readonly Process _process;

    private StartedNode(string program, IEnumerable<string> arguments)
    {
        string[] options = ["--data", _place.Data, "--listen", _place.Address, "--cluster-listen", "127.0.0.1:0"];
        _process = Process.Start(new ProcessStartInfo(program, [.. arguments, .. options])
        {
            WorkingDirectory = Checkout.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    public string Address => _place.Address;

    /// <summary>Starts it in the root of the working copy, and waits for its greeting.</summary>
    public static async Task<StartedNode> StartAsync(string program, params IEnumerable<string> arguments)
    {
        var node = new StartedNode(program, arguments);
        try
        {
            await node.GreetingAsync();
            return node;
        }
        catch
        {
            node.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        _place.Dispose();
    }

    private async Task GreetingAsync()
    {
        var errors = _process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(StartTimeout);
        var printed = "";
        try
        {
            while (await _process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
            {
                if (line.StartsWith("Milena ", StringComparison.Ordinal))
                {
                    return;
                }

                printed += line + "\n";
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{_process.StartInfo.FileName} greeted nobody within {StartTimeout}, but printed: {printed}");
        }

        throw new InvalidOperationException($"{_process.StartInfo.FileName} ended before its greeting: {printed}{await errors}");
    }
}
