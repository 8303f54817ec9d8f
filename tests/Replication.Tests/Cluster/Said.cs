using System.Collections.Concurrent;
using System.Globalization;
using Akka.Actor;
using Akka.Event;
using Microsoft.Extensions.Logging;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace Milena.Replication.Tests;

/// <summary>What a node's program log would hold: the last lines of it tell why a test failed. Safe for several threads.</summary>
internal sealed class Said : ILogger
{
    private const int Kept = 40;
    private readonly ConcurrentQueue<string> _lines = new();

    /// <summary>Takes up what the actors of a system log as warnings and errors.</summary>
    public void Hear(ActorSystem system)
    {
        var ear = system.ActorOf(Props.Create(() => new Ear(this)), "ear");
        system.EventStream.Subscribe(ear, typeof(Warning));
        system.EventStream.Subscribe(ear, typeof(Error));
    }

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Add(exception is null ? formatter(state, exception) : $"{formatter(state, exception)} {exception}");

    public override string ToString() => string.Join('\n', _lines.Select(line => $"    {line}"));

    private void Add(string line)
    {
        _lines.Enqueue(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():mm:ss.fff} {line}"));
        while (_lines.Count > Kept && _lines.TryDequeue(out _))
        {
        }
    }

    private sealed class Ear : ReceiveActor
    {
        public Ear(Said said) => Receive<LogEvent>(entry => said.Add($"{entry.Message} {entry.Cause}"));
    }
}
