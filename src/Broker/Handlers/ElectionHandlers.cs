using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Elects leaders on request, through the controller.</summary>
public sealed class ElectLeadersHandler(BrokerContext broker) : ApiHandler<ElectLeadersRequest>(ApiKey.ElectLeaders)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ElectLeadersRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<ElectLeadersResponse>(broker, request, request.TimeoutMs);
        return response ?? new ElectLeadersResponse { ErrorCode = error };
    }
}

/// <summary>Forgets a broker that does not come back, through the controller.</summary>
public sealed class UnregisterBrokerHandler(BrokerContext broker) : ApiHandler<UnregisterBrokerRequest>(ApiKey.UnregisterBroker)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, UnregisterBrokerRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<UnregisterBrokerResponse>(broker, request, timeoutMs: 0);
        return response ?? new UnregisterBrokerResponse { ErrorCode = error };
    }
}
