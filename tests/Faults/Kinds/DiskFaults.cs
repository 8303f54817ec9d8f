using Milena.Faults.Nodes;
using Milena.Testing;

namespace Milena.Faults.Kinds;

/// <summary>A disk that is full, and files that are damaged while their node is down.</summary>
internal static class DiskFaults
{
    private const int DamagedBytes = 64 << 10;

    /// <summary>Little, since a slow load takes long to fill more.</summary>
    private const int LeftKilobytes = 128;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan OfflineTime = TimeSpan.FromSeconds(10);

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("disk-full", "one of a node's two log directories fills up; when it has been offline for 10 s there is room again, and the node is restarted", Bar.OfEachPartition(5), Needs.Disks, FillDisk),
        new("tail-cut", "a node is killed, and comes back when it is in no ISR and the last 64 KiB of a partition's active segment are cut off", Bar.Seconds(2, 5), Needs.Nothing, CutTail),
        new("tail-flipped", "the same, with the bits of the last 64 KiB flipped", Bar.Seconds(2, 5), Needs.Nothing, FlipTail),
    ];

    private static void FillDisk(Scene scene)
    {
        // Elsewhere nobody would notice.
        var id = scene.AnyOf([.. scene.Cluster.Ids.Where(one => HasReplicaOnSmallDisk(scene, one))]);
        var (disk, node) = (scene.Cluster.Disks![id - 1], scene.Cluster.Node(id));
        scene.Say($"node {id}");
        disk.Fill(LeftKilobytes);
        Wait.Until(() => node.Output.Contains("the log directory failed and is offline", StringComparison.Ordinal), Patience, () => $"node {id} notices that its disk is full");
        Scene.Hold(OfflineTime);
        disk.Free();
        node.Stop();
        scene.Cluster.Start(id);
    }

    /// <summary>Whether one is there that has not been moved away, which gives its folder a longer name.</summary>
    private static bool HasReplicaOnSmallDisk(Scene scene, int id) =>
        Directory.EnumerateDirectories(scene.Cluster.LogDirectoriesOf(id).Last(), $"{scene.Topic}-*").Any(folder => !Path.GetFileName(folder).Contains('.', StringComparison.Ordinal));

    private static void CutTail(Scene scene) => Damage(scene, "cut", file => file.SetLength(Math.Max(0, file.Length - DamagedBytes)));

    private static void FlipTail(Scene scene) => Damage(scene, "flipped", file =>
    {
        var bytes = new byte[Math.Min(file.Length, DamagedBytes)];
        file.Seek(-bytes.Length, SeekOrigin.End);
        file.ReadExactly(bytes);
        file.Seek(-bytes.Length, SeekOrigin.End);
        file.Write([.. bytes.Select(one => (byte)~one)]);
    });

    private static void Damage(Scene scene, string what, Action<FileStream> damage)
    {
        var partition = scene.AnyPartition();
        var id = scene.AnyOf(scene.Replicas()[partition]);
        scene.Say($"node {id}, partition {partition}'s tail {what}");
        scene.Cluster.Node(id).Kill();
        Wait.Until(() => scene.Cluster.Describe(scene.Topic).TrueForAll(one => !one.IsrNodes.Contains(id)), Patience, () => $"no ISR has node {id}, which was killed");
        var active = Directory.GetFiles(scene.Cluster.FolderOf(id, scene.Topic, partition), "*.log").Order(StringComparer.Ordinal).Last();
        using (var file = new FileStream(active, FileMode.Open))
        {
            damage(file);
        }

        scene.Cluster.Start(id);
    }
}
