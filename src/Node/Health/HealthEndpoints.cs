using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller.Balancing;
using Milena.Node.Configuration;

namespace Milena.Node.Health;

/// <summary>HTTP paths for those who run nodes: probes, the questions whether a restart is safe and how far an emptying has come, and draining.</summary>
/// <remarks>
/// It outlives the nodes of its process: while one starts, or starts again, it says so. Whoever reaches the port may drain the node, so it
/// is off unless an address is given.
/// </remarks>
public sealed class HealthEndpoints : IAsyncDisposable
{
    private const int MaxConnections = 100;
    private const int MaxBodyBytes = 1024;

    private static readonly string[] Starting = ["It starts"];

    private readonly WebApplication _application;
    private volatile NodeHealth? _node;

    private HealthEndpoints(WebApplication application) => _application = application;

    /// <summary>The node that runs now; null while none does.</summary>
    public NodeHealth? Node
    {
        get => _node;
        set => _node = value;
    }

    /// <summary>The address it really has.</summary>
    public Uri Address => new(_application.Urls.First());

    /// <exception cref="StartupException">The address cannot be listened on.</exception>
    public static async Task<HealthEndpoints> StartAsync(HostPort listen, ILoggerFactory logs)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxConcurrentConnections = MaxConnections;
            options.Limits.MaxRequestBodySize = MaxBodyBytes;
            options.Listen(listen.ToEndPoint());
        });
        builder.Services.AddSingleton(logs);
        var application = builder.Build();
        var endpoints = new HealthEndpoints(application);
        application.Run(endpoints.AnswerAsync);
        try
        {
            await application.StartAsync();
            return endpoints;
        }
        catch (IOException e)
        {
            await application.DisposeAsync();
            throw new StartupException($"Cannot listen on {listen} for health and metrics: {e.Message.TrimEnd('.')}. Choose another address with --metrics-listen.");
        }
    }

    public async ValueTask DisposeAsync() => await _application.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        return (request.Path.Value?.TrimEnd('/'), request.Method) switch
        {
            ("/health/live", "GET") => WriteAsync(context, isUp: true, []),
            ("/health/startup", "GET") => WriteAsync(context, _node is not null, _node is null ? Starting : []),
            ("/health/ready", "GET") => ReadyAsync(context),
            ("/health/safe-to-restart", "GET") => SafeToRestartAsync(context),
            ("/decommission", "GET") => DecommissionAsync(context),
            ("/drain", "GET") => DrainedAsync(context, StatusCodes.Status200OK),
            ("/drain", "POST") => ChangeAsync(context, node => node.Drain()),
            ("/drain", "DELETE") => ChangeAsync(context, node => node.Return()),
            ("/health/live" or "/health/startup" or "/health/ready" or "/health/safe-to-restart" or "/decommission" or "/drain", _) => EndAsync(context, StatusCodes.Status405MethodNotAllowed),
            _ => EndAsync(context, StatusCodes.Status404NotFound),
        };
    }

    private Task ReadyAsync(HttpContext context)
    {
        IReadOnlyCollection<string> reasons = _node is { } node ? node.NotReady() : Starting;
        return WriteAsync(context, reasons.Count == 0, reasons);
    }

    private Task SafeToRestartAsync(HttpContext context)
    {
        var safety = _node?.SafeToRestart() ?? new RestartSafety([.. Starting], 0);
        return WriteAsync(context, safety.IsSafe ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, json =>
        {
            json.WriteBoolean("safe", safety.IsSafe);
            WriteReasons(json, safety.Reasons);
            json.WriteNumber("interruptedPartitions", safety.Interrupted);
        });
    }

    private Task DecommissionAsync(HttpContext context)
    {
        if (_node is not { } node)
        {
            return WriteAsync(context, isUp: false, Starting);
        }

        return WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartArray("brokers");
            foreach (var one in DecommissionProgress.Of(node.Image()))
            {
                json.WriteStartObject();
                json.WriteNumber("id", one.BrokerId);
                json.WriteBoolean("empty", one.IsEmpty);
                json.WriteNumber("replicas", one.Replicas);
                json.WriteNumber("moving", one.Moving);
                WriteReasons(json, one.Reasons);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private async Task ChangeAsync(HttpContext context, Func<NodeHealth, Task<bool>> change)
    {
        var isDone = _node is { } node && await change(node);
        await DrainedAsync(context, isDone ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    private Task DrainedAsync(HttpContext context, int status) => WriteAsync(context, status, json => json.WriteBoolean("drained", _node?.IsDrained == true));

    private static Task WriteAsync(HttpContext context, bool isUp, IReadOnlyCollection<string> reasons) => WriteAsync(
        context,
        isUp ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
        json =>
        {
            json.WriteString("status", isUp ? "UP" : "DOWN");
            WriteReasons(json, reasons);
        });

    private static async Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write)
    {
        (context.Response.StatusCode, context.Response.ContentType) = (status, "application/json");
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        write(json);
        json.WriteEndObject();
    }

    private static void WriteReasons(Utf8JsonWriter json, IEnumerable<string> reasons)
    {
        json.WriteStartArray("reasons");
        foreach (var reason in reasons)
        {
            json.WriteStringValue(reason);
        }

        json.WriteEndArray();
    }

    private static Task EndAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }
}
