using Milena.Faults.Checking;

namespace Milena.Faults.Kinds;

/// <summary>Nothing is done to anybody: whoever is taken for gone under the load alone is so falsely.</summary>
internal static class Untouched
{
    private const int Seconds = 30;

    public static FaultKind Kind { get; } = new(
        "untouched", "nothing, for 30 s, only where it is asked for: a leader or controller that changes is a false alarm", null, Needs.Nothing, Look);

    private static void Look(Scene scene)
    {
        scene.Say($"for {Seconds} s");
        var (controller, before) = (scene.Cluster.Controller(), scene.Leaders());
        Scene.Hold(TimeSpan.FromSeconds(Seconds));
        foreach (var (partition, (was, now)) in before.Zip(scene.Leaders()).Index().Where(one => one.Item.First != one.Item.Second))
        {
            scene.Accuse(ViolationKind.FalseAlarm, partition, $"node {was.Id} led it in epoch {was.Epoch}, and node {now.Id} does in epoch {now.Epoch}");
        }

        if (scene.Cluster.Controller() is var other && other != controller)
        {
            scene.Accuse(ViolationKind.FalseAlarm, -1, $"node {controller} was the controller, and node {other} is");
        }
    }
}
