using System.Runtime.InteropServices;

namespace Milena.Faults.Nodes;

/// <summary>A file system of its own, in memory and small, that can be filled. Needs Linux and the right to mount.</summary>
public sealed class SmallDisk : IDisposable
{
    private readonly string _filler;

    public SmallDisk(int megabytes)
    {
        Folder = Directory.CreateTempSubdirectory("milena-small-disk-").FullName;
        _filler = Path.Combine(Folder, "filler");
        Shell.Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", Folder);
    }

    /// <summary>Null, or why there can be none here.</summary>
    public static string? WhyNot => RuntimeInformation.IsOSPlatform(OSPlatform.Linux) && Environment.UserName == "root" ? null : "only root can mount a small file system";

    public string Folder { get; }

    /// <summary>Takes what is free but for some, or all there is where a node writes meanwhile.</summary>
    public void Fill(int leaveKilobytes)
    {
        try
        {
            Take(leaveKilobytes);
        }
        catch (IOException) when (new DriveInfo(Folder).AvailableFreeSpace < (long)leaveKilobytes << 10)
        {
            // It is full, which is what was wanted.
        }
    }

    private void Take(int leaveKilobytes)
    {
        var free = new DriveInfo(Folder).AvailableFreeSpace - ((long)leaveKilobytes << 10);
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
        Shell.Run("umount", Folder);
        Directory.Delete(Folder);
    }
}
