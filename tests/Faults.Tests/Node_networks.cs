using Milena.Faults.Nodes;

namespace Milena.Faults.Tests;

/// <summary>The networks that nodes are cut off in.</summary>
public sealed class Node_networks
{
    [SkippableFact]
    public void Two_networks_of_one_process_do_not_touch_each_other()
    {
        using var first = Begin();
        using (var second = new NodeNetwork(1))
        {
            Assert.NotEqual(first.HostOf(1), second.HostOf(1));
            Assert.NotEqual(first.LauncherOf(1), second.LauncherOf(1));
        }

        // Only what is there can be cut.
        first.Cut(1, NodeNetwork.Clients);
        first.Heal();
    }

    private static NodeNetwork Begin()
    {
        try
        {
            return new NodeNetwork(1);
        }
        catch (InvalidOperationException e)
        {
            throw new SkipException($"network namespaces are not permitted here: {e.Message}");
        }
    }
}
