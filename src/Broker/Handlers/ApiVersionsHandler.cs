using System.Text.RegularExpressions;
using Milena.Metadata.Controller;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Tells a client what is served here, and takes down which client it is (KIP-511, KIP-584).</summary>
public sealed partial class ApiVersionsHandler(BrokerContext broker, Func<IEnumerable<ApiInfo>> served) : ApiHandler<ApiVersionsRequest>(ApiKey.ApiVersions)
{
    /// <summary>Clients built on librdkafka switch compression off when Produce 0 to 2 are not listed, though nobody sends them (KAFKA-18659).</summary>
    private const short AdvertisedProduceMin = 0;

    private const short LevelZeroVersion = 4;

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ApiVersionsRequest request)
    {
        if (context.ApiVersion >= 3)
        {
            if (!SoftwareText().IsMatch(request.ClientSoftwareName) || !SoftwareText().IsMatch(request.ClientSoftwareVersion))
            {
                return Answer(new ApiVersionsResponse { ErrorCode = ErrorCode.InvalidRequest });
            }

            context.Connection.SoftwareName = request.ClientSoftwareName;
            context.Connection.SoftwareVersion = request.ClientSoftwareVersion;
        }

        var image = broker.Image;
        return Answer(new ApiVersionsResponse
        {
            ApiKeys = [.. served().Select(api => new ApiVersionsResponse.ApiVersion
            {
                ApiKey = api.Key,
                MinVersion = api.Key == (short)ApiKey.Produce ? AdvertisedProduceMin : api.MinVersion,
                MaxVersion = api.MaxVersion,
            })],
            // Clients that know version 3 at most fail upon a feature that begins at level 0, as Kafka's do.
            SupportedFeatures = [.. Features.Supported.Append(Features.Quorum).Where(feature => feature.Min > 0 || context.ApiVersion >= LevelZeroVersion).Select(feature => new ApiVersionsResponse.SupportedFeatureKey
            {
                Name = feature.Name,
                MinVersion = feature.Min,
                MaxVersion = feature.Max,
            })],
            FinalizedFeaturesEpoch = image.Offset,
            FinalizedFeatures = [.. image.Features.Append(new(Features.Quorum.Name, Features.Quorum.Max)).Select(feature => new ApiVersionsResponse.FinalizedFeatureKey
            {
                Name = feature.Key,
                MinVersionLevel = feature.Value,
                MaxVersionLevel = feature.Value,
            })],
        });
    }

    [GeneratedRegex("^[a-zA-Z0-9](?:[a-zA-Z0-9\\-.]*[a-zA-Z0-9])?$")]
    private static partial Regex SoftwareText();
}
