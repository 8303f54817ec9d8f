using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Changes the levels of features, through the controller (KIP-584).</summary>
public sealed class UpdateFeaturesHandler(BrokerContext broker) : ApiHandler<UpdateFeaturesRequest>(ApiKey.UpdateFeatures)
{
    private const short LastVersionWithResults = 1;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, UpdateFeaturesRequest request)
    {
        foreach (var update in request.FeatureUpdates)
        {
            // Version 0 has this in the place of a type; Kafka takes no notice of it, and a downgrade needs a later version.
            update.AllowDowngrade = false;
        }

        var (response, error) = await ControllerCalls.AskAsync<UpdateFeaturesResponse>(broker, request, request.TimeoutMs);
        if (response is { ErrorCode: ErrorCode.None } && context.ApiVersion <= LastVersionWithResults)
        {
            response.Results = [.. request.FeatureUpdates.Select(update => new UpdateFeaturesResponse.UpdatableFeatureResult { Feature = update.Feature })];
        }

        return response ?? new UpdateFeaturesResponse { ErrorCode = error };
    }
}
