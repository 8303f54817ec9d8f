using Milena.Storage;

namespace Milena.Benchmarks;

/// <summary>A partition's log in a folder of its own under the system's temporary folder, so on a real disk (or wherever TMPDIR points).</summary>
internal sealed class SampleLog : IDisposable, IDiskErrorSink
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("milena-benchmark-");

    public SampleLog(LogSettings settings)
    {
        var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(1), this);
        Log = Log.Open(Path.Combine(_directory.FullName, "orders-0"), settings, environment, new LogRecovery(CleanShutdown: true));
    }

    public Log Log { get; }

    public void DiskFailed(string logDirectory, Exception error) => Console.Error.WriteLine($"The disk under {logDirectory} failed: {error.Message}");

    public void Dispose()
    {
        Log.Dispose();
        _directory.Delete(recursive: true);
    }
}
