using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker;

/// <summary>Finds the handler of a request. What has no handler is not served, and not advertised.</summary>
public sealed class RequestDispatcher : IRequestDispatcher
{
    private readonly IApiHandler?[] _handlers = new IApiHandler?[128];

    public RequestDispatcher(IEnumerable<IApiHandler> handlers)
    {
        foreach (var handler in handlers)
        {
            _handlers[(short)handler.Key] = handler;
        }
    }

    /// <summary>Versions that Kafka itself keeps to itself until they are stable: two-phase commit (KIP-939) in InitProducerId 6.</summary>
    private static readonly Dictionary<short, short> HighestStable = new() { [(short)ApiKey.InitProducerId] = 5 };

    public IEnumerable<ApiInfo> Served => ApiCatalog.All.Where(api => HandlerOf(api.Key) is not null)
        .Select(api => HighestStable.TryGetValue(api.Key, out var stable) ? api with { MaxVersion = stable } : api);

    public bool Serves(short apiKey, short apiVersion) =>
        HandlerOf(apiKey) is not null && ApiCatalog.Find(apiKey) is { } api && apiVersion >= api.MinVersion && apiVersion <= HighestStable.GetValueOrDefault(apiKey, api.MaxVersion);

    public ValueTask<IResponseMessage?> DispatchAsync(RequestContext context, IRequestMessage request) =>
        HandlerOf(context.ApiKey)!.HandleAsync(context, request);

    public IResponseMessage UnsupportedApiVersions()
    {
        var api = ApiCatalog.Find((short)ApiKey.ApiVersions)!;
        return new ApiVersionsResponse
        {
            ErrorCode = ErrorCode.UnsupportedVersion,
            ApiKeys = [new() { ApiKey = api.Key, MinVersion = api.MinVersion, MaxVersion = api.MaxVersion }],
        };
    }

    private IApiHandler? HandlerOf(short apiKey) => apiKey >= 0 && apiKey < _handlers.Length ? _handlers[apiKey] : null;
}
