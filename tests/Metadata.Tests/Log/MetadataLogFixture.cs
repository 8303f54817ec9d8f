using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Metadata.Tests.Log;

/// <summary>A metadata log on a disk in memory, and a listener that applies what is committed to a store, as a node does.</summary>
internal sealed class MetadataLogFixture : IMetadataLogListener, IDiskErrorSink
{
    public const string Directory = "/data";
    public const string Folder = "/data/__cluster_metadata-0";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _heard = new(0);

    public FaultyDisk Disk { get; } = new();
    public ManualTime Time { get; } = new();
    public LogEnvironment Environment { get; private set; } = null!;
    public MetadataLogSettings Settings { get; set; } = new();
    public MetadataStore Store { get; private set; } = new();
    public LogDirectory DataDirectory { get; private set; } = null!;
    public LocalMetadataLog Log { get; private set; } = null!;
    public int Epoch { get; private set; } = -1;
    public Exception? LostBecause { get; private set; }
    public List<Exception> DiskErrors { get; } = [];
    public List<bool> Snapshots { get; } = [];
    public Action? BeforeCommitted { get; set; }

    public MetadataImage Image => Store.Current;

    public MetadataLogFixture Open()
    {
        Environment = new LogEnvironment(Disk, Time, new Random(1), this);
        Assert.True(LogDirectory.TryOpen(Directory, "cluster", 1, Environment, out var directory, out var problem), problem);
        DataDirectory = directory!;
        Log = LocalMetadataLog.Open(DataDirectory, Environment, Settings);
        return this;
    }

    public MetadataLogFixture Start()
    {
        Store = new MetadataStore();
        (LostBecause, Epoch) = (null, -1);
        Snapshots.Clear();
        Open();
        Log.Start(this);
        return this;
    }

    public long Append(params IMessage[] records) => Log.Append(Epoch, records);

    public async Task CommitAsync(params IMessage[] records)
    {
        var offset = Append(records);
        await UntilAsync(() => Image.Offset >= offset, $"offset {offset} to be committed");
    }

    public async Task UntilAsync(Func<bool> condition, string what)
    {
        var deadline = Task.Delay(Patience);
        while (!condition())
        {
            var heard = _heard.WaitAsync();
            Assert.True(await Task.WhenAny(heard, deadline) == heard, $"Waited {Patience} for {what}.");
        }
    }

    public async Task StopAsync()
    {
        await Log.DisposeAsync();
        DataDirectory.Close();
    }

    /// <summary>Power loss: nothing is closed in order, and what was not synced is gone in part.</summary>
    public async Task CrashAsync(Random random)
    {
        Disk.Fault = (_, _) => throw new IOException("The machine is gone.");
        await Log.DisposeAsync();
        DataDirectory.Dispose();
        Disk.Crash(random);
        Disk.Fault = null;
    }

    public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
    {
        BeforeCommitted?.Invoke();
        Snapshots.Add(isSnapshot);
        Store.Apply(records, lastOffset, epoch, isSnapshot);
        _heard.Release();
    }

    public void BecameLeader(int epoch) => Epoch = epoch;

    public void LostLeadership(Exception? cause)
    {
        LostBecause = cause;
        _heard.Release();
    }

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error)
    {
        lock (DiskErrors)
        {
            DiskErrors.Add(error);
        }
    }
}
