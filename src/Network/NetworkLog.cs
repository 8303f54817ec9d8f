using Microsoft.Extensions.Logging;
using Milena.Protocol;

namespace Milena.Network;

internal static partial class NetworkLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Closing connection {Connection} from {Address}: {Reason}")]
    public static partial void Closing(ILogger log, string connection, string address, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Lost connection {Connection} from {Address}: {Reason}")]
    public static partial void Lost(ILogger log, string connection, string address, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Listener {Listener} refused a connection from {Address}: {Reason}")]
    public static partial void Refused(ILogger log, string listener, string address, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Listener {Listener} cannot take a connection for now: {Reason}")]
    public static partial void CannotAccept(ILogger log, string listener, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Closing a connection: {Reason}")]
    public static partial void Refusing(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request of API key {ApiKey}, version {ApiVersion}, failed; its connection is closed")]
    public static partial void HandlerFailed(ILogger log, Exception e, short apiKey, short apiVersion);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The node stops without the answers to {Count} requests of connection {Connection}, for which it waited for {Patience}; the first of them is {Api}")]
    public static partial void Unanswered(ILogger log, int count, string connection, TimeSpan patience, ApiKey api);

    [LoggerMessage(Level = LogLevel.Error, Message = "Connection {Connection} from {Address} failed")]
    public static partial void ConnectionFailed(ILogger log, Exception e, string connection, string address);
}
