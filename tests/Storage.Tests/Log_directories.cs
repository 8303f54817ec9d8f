using System.Text;
using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Log_directories : IDiskErrorSink
{
    private const string Cluster = "AAAAAAAAAAAAAAAAAAAAAQ";
    private static readonly string Folder = Path.GetFullPath("/data");
    private static readonly TopicPartition Orders = new("orders", 0);
    private static readonly TopicPartition Bills = new("bills", 3);
    private readonly FaultyDisk _disk = new();
    private readonly List<Exception> _failures = [];

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error) => _failures.Add(error);

    [Fact]
    public void A_clean_shutdown_is_remembered_with_logs_checkpoints_and_identity()
    {
        var first = Open();
        var identity = first.Identity;
        Assert.False(first.WasCleanShutdown);
        first.LoadLogs(_ => new LogSettings(), 2);
        first.OpenLog(Orders, new LogSettings()).Append(Batches.Plain(5), 0);
        first.OpenLog(Bills, new LogSettings()).Append(Batches.Plain(7), 0);
        first.Logs[Orders].AdvanceLogStartOffset(2);
        first.WriteHighWatermarks([KeyValuePair.Create(Orders, 5L), KeyValuePair.Create(Bills, 6L)]);
        first.Close(brokerEpoch: 42);

        var second = Open();
        Assert.Equal(identity, second.Identity);
        Assert.Equal((true, 42L), (second.WasCleanShutdown, second.PreviousBrokerEpoch));
        Assert.Equal(6, second.HighWatermarks[Bills]);
        var report = second.LoadLogs(_ => new LogSettings(), 2);
        Assert.Empty(report.Repaired);
        Assert.Equal((2L, 5L, 7L), (second.Logs[Orders].LogStartOffset, second.Logs[Orders].LogEndOffset, second.Logs[Bills].LogEndOffset));
        Assert.Equal(0, second.Logs[Orders].Recovery.SegmentsChecked);
        Assert.Equal("0\n1\norders 0 2\n", Text(OffsetCheckpoint.LogStartOffsets));
        Assert.Equal("0\n2\nbills 3 7\norders 0 5\n", Text(OffsetCheckpoint.RecoveryPoints));
        second.Dispose();
        Assert.False(Open().WasCleanShutdown);
    }

    [Fact]
    public void A_directory_that_was_let_go_writes_nothing_more()
    {
        var first = Open();
        first.LoadLogs(_ => new LogSettings(), 2);
        first.OpenLog(Orders, new LogSettings()).Append(Batches.Plain(5), 0);
        first.WriteHighWatermarks([KeyValuePair.Create(Orders, 3L)]);
        first.Close();
        var second = Open();
        // A timer of whoever had it before may still be running.
        first.WriteHighWatermarks([KeyValuePair.Create(Orders, 4L)]);
        first.WriteRecoveryPoints();
        first.WriteLogStartOffsets();
        Assert.Equal("0\n1\norders 0 3\n", Text(OffsetCheckpoint.HighWatermarks));
        Assert.Empty(_failures);
        second.Dispose();
    }

    [Fact]
    public void Two_processes_cannot_share_a_directory_nor_can_two_clusters_or_nodes()
    {
        var first = Open();
        Assert.Contains("already in use", Refused(Cluster, 1));
        first.Dispose();
        Assert.Contains("belongs to the cluster", Refused("BBBBBBBBBBBBBBBBBBBBBQ", 1));
        Assert.Contains("belongs to node 1", Refused(Cluster, 2));
        _disk.SetContent(Path.Combine(Folder, MetaProperties.FileName), "version=7\n"u8.ToArray());
        Assert.Contains("version '7'", Refused(Cluster, 1));
        _disk.SetContent(Path.Combine(Folder, MetaProperties.FileName), "version=1\n"u8.ToArray());
        Assert.Contains("lacks a cluster.id", Refused(Cluster, 1));
        Assert.Empty(_failures);
    }

    [Fact]
    public void Folders_are_told_apart_by_their_names()
    {
        const string Hex = "0123456789abcdef0123456789abcdef";
        foreach (var name in (string[])["orders-0", $"a-0.{Hex}-delete", $"b-1.{Hex}-stray", "lost+found", "x-delete", "__cluster_metadata-0"])
        {
            _disk.CreateFolder(Path.Combine(Folder, name));
        }
        using var directory = Open();
        var report = directory.LoadLogs(_ => new LogSettings(), 2);
        Assert.Equal([Path.Combine(Folder, $"a-0.{Hex}-delete")], report.RemovedFolders.ToList());
        Assert.Equal([Path.Combine(Folder, $"b-1.{Hex}-stray")], report.StrayFolders.ToList());
        Assert.Equal([Path.Combine(Folder, "lost+found"), Path.Combine(Folder, "x-delete")], report.UnknownFolders.ToList());
        Assert.Equal([Orders], directory.Logs.Keys);
        Assert.False(_disk.FolderExists(Path.Combine(Folder, $"a-0.{Hex}-delete")));
        Assert.True(_disk.FolderExists(Path.Combine(Folder, $"b-1.{Hex}-stray")));
    }

    [Fact]
    public void A_deleted_log_leaves_no_folder_and_a_stray_one_keeps_its_records()
    {
        using var directory = Open();
        directory.OpenLog(Orders, new LogSettings()).Append(Batches.Plain(), 0);
        directory.OpenLog(Bills, new LogSettings()).Append(Batches.Plain(), 0);
        var deleted = directory.Logs[Orders];
        using var held = deleted.Read(0, 1, 1000, true, out _)!;
        directory.DeleteLog(Orders);
        // Who was reading goes on, who comes late is told; neither is a fault of the disk.
        Assert.NotEmpty(held.ToArray());
        Assert.Null(deleted.Read(0, 1, 1000, true, out var late));
        Assert.Equal(ErrorCode.NotLeaderOrFollower, late.Error);
        Assert.Empty(_failures);
        Assert.DoesNotContain(_disk.AllFiles, file => file.Contains("orders", StringComparison.Ordinal));
        var stray = directory.SetAsideAsStray(Bills)!;
        Assert.EndsWith("-stray", stray);
        Assert.NotEqual(0, _disk.FileLength(LogFiles.Path(stray, 0, ".log")));
        Assert.Empty(directory.Logs);
        Assert.Equal(0, directory.OpenLog(Orders, new LogSettings()).LogEndOffset);
    }

    [Fact]
    public void After_a_crash_what_was_checkpointed_is_trusted_and_the_rest_is_checked()
    {
        var random = new Random(4);
        var directory = Open();
        directory.LoadLogs(_ => new LogSettings(), 1);
        var log = directory.OpenLog(Orders, new LogSettings { SegmentBytes = 300 });
        for (var i = 0; i < 10; i++) log.Append(Batches.Plain(), 0);
        log.Flush();
        directory.WriteRecoveryPoints();
        for (var i = 0; i < 10; i++) log.Append(Batches.Plain(), 0);
        directory.Dispose();
        _disk.Crash(random);
        using var again = Open();
        Assert.False(again.WasCleanShutdown);
        var report = again.LoadLogs(_ => new LogSettings(), 2);
        Assert.InRange(again.Logs[Orders].LogEndOffset, 10, 20);
        Assert.InRange(again.Logs[Orders].Recovery.SegmentsChecked, 1, 4);
        Assert.Equal(again.Logs[Orders].Recovery.IsClean, !report.Repaired.ContainsKey(Orders));
    }

    [Fact]
    public void After_a_truncation_the_checkpoint_vouches_no_more_for_what_it_took_away()
    {
        var directory = Open();
        directory.LoadLogs(_ => new LogSettings(), 1);
        var log = directory.OpenLog(Orders, new LogSettings());
        for (var i = 0; i < 10; i++) log.Append(Batches.Plain(), 0);
        log.Flush();
        directory.WriteRecoveryPoints();
        log.TruncateTo(4);
        log.Flush();
        directory.LowerRecoveryPoint(Orders);
        Assert.Contains("orders 0 4", Encoding.UTF8.GetString(_disk.Content(Path.Combine(Folder, OffsetCheckpoint.RecoveryPoints))), StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_checkpoints_are_taken_as_empty()
    {
        Open().Close();
        _disk.SetContent(Path.Combine(Folder, OffsetCheckpoint.HighWatermarks), "0\n2\norders 0 1\n"u8.ToArray());
        _disk.SetContent(Path.Combine(Folder, OffsetCheckpoint.RecoveryPoints), "0\n1\norders 0 -4\n"u8.ToArray());
        _disk.SetContent(Path.Combine(Folder, OffsetCheckpoint.LogStartOffsets), [0xFF, 0xFE]);
        using var directory = Open();
        Assert.Empty(directory.HighWatermarks);
    }

    [Fact]
    public void A_failing_disk_is_a_problem_and_not_an_exception_when_a_directory_is_opened()
    {
        _disk.Fault = (_, _) => throw new IOException("Input/output error.");
        Assert.Contains("cannot be used", Refused(Cluster, 1));
        Assert.Single(_failures);
        _disk.Fault = null;
        Open().Dispose();
    }

    [Fact]
    public void The_real_disk_locks_a_directory_too()
    {
        var path = Directory.CreateTempSubdirectory("milena-directory-").FullName;
        try
        {
            var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(1), this);
            Assert.True(LogDirectory.TryOpen(path, Cluster, 1, environment, out var directory, out var problem), problem);
            Assert.False(LogDirectory.TryOpen(path, Cluster, 1, environment, out _, out problem));
            Assert.Contains("already in use", problem);
            directory!.OpenLog(Orders, new LogSettings()).Append(Batches.Plain(3), 0);
            var space = directory.Space();
            Assert.InRange(space.UsableBytes, 1, space.TotalBytes);
            directory.Close();
            Assert.True(LogDirectory.TryOpen(path, Cluster, 1, environment, out directory, out problem), problem);
            directory!.LoadLogs(_ => new LogSettings(), 2);
            Assert.Equal(3, directory.Logs[Orders].LogEndOffset);
            directory.Close();
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private LogDirectory Open()
    {
        Assert.True(LogDirectory.TryOpen(Folder, Cluster, 1, Environment(), out var directory, out var problem), problem);
        return directory!;
    }

    private string Refused(string cluster, int node)
    {
        Assert.False(LogDirectory.TryOpen(Folder, cluster, node, Environment(), out var directory, out var problem));
        Assert.Null(directory);
        return problem;
    }

    private LogEnvironment Environment() => new(_disk, new ManualTime(), new Random(1), this);

    private string Text(string file) => System.Text.Encoding.UTF8.GetString(_disk.Content(Path.Combine(Folder, file)));
}
