using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker;

/// <summary>Serves one API key.</summary>
public interface IApiHandler
{
    ApiKey Key { get; }

    /// <inheritdoc cref="IRequestDispatcher.DispatchAsync"/>
    ValueTask<IResponseMessage?> HandleAsync(RequestContext context, IRequestMessage request);
}

/// <summary>A handler of requests of one type.</summary>
public abstract class ApiHandler<TRequest>(ApiKey key) : IApiHandler
    where TRequest : class, IRequestMessage
{
    public ApiKey Key => key;

    public ValueTask<IResponseMessage?> HandleAsync(RequestContext context, IRequestMessage request) => HandleAsync(context, (TRequest)request);

    protected abstract ValueTask<IResponseMessage?> HandleAsync(RequestContext context, TRequest request);

    protected static ValueTask<IResponseMessage?> Answer(IResponseMessage response) => ValueTask.FromResult<IResponseMessage?>(response);
}
