using Microsoft.Extensions.Logging;

namespace Milena.Node.Membership;

internal static partial class MembershipLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Waiting for other nodes to found or join a cluster with: no answer from {Missing}")]
    public static partial void WaitingForOthers(ILogger log, string missing);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Port {Port} of the metadata quorum is taken; it listens on {Chosen}. Choose one with --quorum-listen.")]
    public static partial void QuorumPortTaken(ILogger log, int port, int chosen);

    [LoggerMessage(Level = LogLevel.Information, Message = "This node leads the metadata quorum in epoch {Epoch}: the controller runs here")]
    public static partial void Controller(ILogger log, int epoch);
}
