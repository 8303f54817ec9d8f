using System.Runtime.InteropServices;

namespace Milena.Faults.Nodes;

/// <summary>The wall clock of one node, which can be set while the node runs, and no other clock of the machine with it. Needs Linux and a C compiler, <c>cc</c>.</summary>
/// <remarks>No namespace has a wall clock of its own, so a library that is loaded before all others answers for it.</remarks>
public sealed class WallClock : IDisposable
{
    private const string SourceFile = "wall-clock.c";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-clock-");

    /// <exception cref="InvalidOperationException">The library cannot be compiled here; the message has the compiler's reason.</exception>
    public WallClock()
    {
        Shift(TimeSpan.Zero);
        try
        {
            Shell.Run("cc", "-shared", "-fPIC", "-O1", "-o", Library, Path.Combine(AppContext.BaseDirectory, SourceFile), "-ldl");
        }
        catch (InvalidOperationException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What runs a program with this clock.</summary>
    public IReadOnlyList<string> Launcher => ["env", $"LD_PRELOAD={Library}", $"MILENA_CLOCK={OffsetFile}"];

    private string Library => Path.Combine(_folder.FullName, "wall-clock.so");

    private string OffsetFile => Path.Combine(_folder.FullName, "offset");

    public static string? WhyNot => RuntimeInformation.IsOSPlatform(OSPlatform.Linux) ? Shell.TryRun("cc", "--version") : "a library that is loaded first is a thing of Linux";

    /// <summary>Sets it that far from the machine's.</summary>
    public void Shift(TimeSpan offset)
    {
        // In place, in one write: running nodes have it mapped.
        using var file = new FileStream(OffsetFile, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var nanoseconds = BitConverter.GetBytes(offset.Ticks * TimeSpan.NanosecondsPerTick);
        file.Write(nanoseconds);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
