using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Dispatch;
using Akka.Event;
using Microsoft.Extensions.Logging;
using AkkaLevel = Akka.Event.LogLevel;
using Level = Microsoft.Extensions.Logging.LogLevel;

namespace Milena.Node;

/// <summary>Hands the node's logs to the actor system that <see cref="AkkaLogger"/> is made by.</summary>
public sealed class NodeLogsSetup(ILoggerFactory logs) : Setup
{
    public ILoggerFactory Logs { get; } = logs;
}

/// <summary>Writes what actors log to the node's own log, on standard error with everything else.</summary>
/// <remarks>
/// What Akka's remoting says of a node that is away it says several times a second, for as long as it is away; the node says itself that
/// a broker is away, so that much is for who looks closely.
/// </remarks>
public sealed class AkkaLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private readonly ILoggerFactory _logs;

    public AkkaLogger()
    {
        _logs = Context.System.Settings.Setup.Get<NodeLogsSetup>() is { HasValue: true } setup
            ? setup.Value.Logs
            : throw new InvalidOperationException("The actor system was made without the node's logs.");
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(Write);
    }

    private static bool IsRemoting(Type type) => type.Namespace?.StartsWith("Akka.Remote", StringComparison.Ordinal) == true;

    private void Write(LogEvent entry)
    {
        var isOurs = entry.LogClass.FullName?.StartsWith("Milena.", StringComparison.Ordinal) == true;
        var isRemoting = IsRemoting(entry.LogClass) || (entry.Cause is { } cause && IsRemoting(cause.GetType()));
        var logger = _logs.CreateLogger(isOurs ? entry.LogClass.Namespace! : "Akka");
        var level = entry.LogLevel() switch
        {
            AkkaLevel.ErrorLevel => isRemoting ? Level.Debug : Level.Error,
            AkkaLevel.WarningLevel => isOurs ? Level.Warning : Level.Debug,
            AkkaLevel.InfoLevel => isOurs ? Level.Information : Level.Debug,
            _ => Level.Debug,
        };
        if (logger.IsEnabled(level))
        {
            NodeLog.FromActor(logger, level, entry.Message.ToString() ?? "", entry.Cause);
        }
    }
}
