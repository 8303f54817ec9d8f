using Microsoft.Extensions.Logging;

namespace Milena.Node;

/// <summary>Log lines on standard error: time, level, category, message. A service manager keeps and rotates them.</summary>
public sealed class StandardErrorLogs(LogLevel level, TimeProvider time) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Lines(categoryName, level, time);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The node writes its log to standard error only.");

    public void Dispose()
    {
    }

    private sealed class Lines(string category, LogLevel level, TimeProvider time) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        // The transport's own chatter about sockets that come and go is of no use to an operator.
        public bool IsEnabled(LogLevel logLevel) => logLevel >= (category.StartsWith("Microsoft.", StringComparison.Ordinal) ? LogLevel.Warning : level);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Console.Error.WriteLine(
                    $"{time.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fffZ} {logLevel,-11} {category}: {formatter(state, exception)}{(exception is null ? "" : $": {exception}")}");
            }
        }
    }
}
