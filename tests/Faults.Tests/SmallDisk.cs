using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Milena.Faults.Tests;

/// <summary>A file system of its own, in memory and small, that a test can fill. Needs Linux and the right to mount.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string _filler;

    public SmallDisk(int megabytes)
    {
        Skip.IfNot(RuntimeInformation.IsOSPlatform(OSPlatform.Linux) && Environment.UserName == "root", "only root can mount a small file system");
        Folder = Directory.CreateTempSubdirectory("milena-small-disk-").FullName;
        _filler = Path.Combine(Folder, "filler");
        Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", Folder);
    }

    public string Folder { get; }

    /// <summary>Takes what is free but for some.</summary>
    public void Fill(int leaveMegabytes)
    {
        var free = new DriveInfo(Folder).AvailableFreeSpace - ((long)leaveMegabytes << 20);
        using var file = File.Create(_filler);
        var zeros = new byte[1 << 16];
        for (; free > 0; free -= zeros.Length)
        {
            file.Write(zeros, 0, (int)Math.Min(free, zeros.Length));
        }
    }

    /// <summary>Gives the space back.</summary>
    public void Free() => File.Delete(_filler);

    public void Dispose()
    {
        Run("umount", Folder);
        Directory.Delete(Folder);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error}");
    }
}
