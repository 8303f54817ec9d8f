using Microsoft.Extensions.Logging;

namespace Milena.Node;

internal static partial class NodeLog
{
    [LoggerMessage(Message = "{Text}")]
    public static partial void FromActor(ILogger log, LogLevel level, string text, Exception? cause);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Request}: no answer of a controller yet: {Reason}")]
    public static partial void NoController(ILogger log, string request, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The setting {Name} has no effect in this version of Milena")]
    public static partial void WithoutEffect(ILogger log, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Other brokers are told to fetch from this one at {Address}, and nobody answers there: {Reason}. Check advertised.listeners")]
    public static partial void AdvertisedInVain(ILogger log, string address, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This node starts again within its process: {Reason}")]
    public static partial void StartsAgain(ILogger log, string reason);
}
