using System.Collections.Concurrent;
using Milena.Protocol;

namespace Milena.Network.Tests;

/// <summary>Parks every request until the test answers it; ApiVersions is answered at once.</summary>
internal sealed class ParkingDispatcher : IRequestDispatcher
{
    private readonly ConcurrentDictionary<int, Parked> _parked = new();
    private readonly SemaphoreSlim _arrived = new(0);

    public sealed record Parked(RequestContext Context, IRequestMessage Request, TaskCompletionSource<IResponseMessage?> Answer);

    public int Count => _parked.Count;

    public bool Serves(short apiKey, short apiVersion) => ApiCatalog.Find(apiKey) is { } api && apiVersion >= api.MinVersion && apiVersion <= api.MaxVersion;

    public ValueTask<IResponseMessage?> DispatchAsync(RequestContext context, IRequestMessage request)
    {
        if (request is ApiVersionsRequest)
        {
            return ValueTask.FromResult<IResponseMessage?>(new ApiVersionsResponse());
        }

        var parked = new Parked(context, request, new TaskCompletionSource<IResponseMessage?>(TaskCreationOptions.RunContinuationsAsynchronously));
        _parked[context.CorrelationId] = parked;
        _arrived.Release();
        return new ValueTask<IResponseMessage?>(parked.Answer.Task);
    }

    public IResponseMessage UnsupportedApiVersions() => new ApiVersionsResponse { ErrorCode = Model.ErrorCode.UnsupportedVersion, ApiKeys = [new() { ApiKey = 18, MaxVersion = 4 }] };

    /// <summary>Waits until that many more requests have come.</summary>
    public async Task ArrivalsAsync(int count, TimeSpan patience)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.True(await _arrived.WaitAsync(patience), $"request {i + 1} of {count} did not come within {patience}");
        }
    }

    public Parked this[int correlationId] => _parked[correlationId];

    /// <summary>Answers the request that came with this correlation id; null means that it wants no answer.</summary>
    public void Answer(int correlationId, IResponseMessage? response) => _parked[correlationId].Answer.SetResult(response);

    public void Fail(int correlationId, Exception cause) => _parked[correlationId].Answer.SetException(cause);
}
