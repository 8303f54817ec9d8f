using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>What the quorum's own port serves, as ApiVersions tells it.</summary>
internal static class QuorumApis
{
    /// <summary>The feature that says how voters are changed; level 1 is KIP-853's.</summary>
    public const string KRaftVersion = "kraft.version";

    // From the version on that names a replica by its directory too: an older one would be another replica to us (KIP-853).
    private static readonly Dictionary<short, short> LowestVersions = new()
    {
        [FetchRequest.ApiKey] = 17,
        [ApiVersionsRequest.ApiKey] = 0,
        [VoteRequest.ApiKey] = 1,
        [BeginQuorumEpochRequest.ApiKey] = 1,
        [EndQuorumEpochRequest.ApiKey] = 1,
        [DescribeQuorumRequest.ApiKey] = 2,
        [FetchSnapshotRequest.ApiKey] = 1,
        [AddRaftVoterRequest.ApiKey] = 0,
        [RemoveRaftVoterRequest.ApiKey] = 0,
        [UpdateRaftVoterRequest.ApiKey] = 0,
    };

    public static bool Serves(short key, short version) =>
        LowestVersions.TryGetValue(key, out var lowest) && version >= lowest && version <= ApiCatalog.Find(key)!.MaxVersion;

    /// <summary>Whether who answers so knows the level at which this quorum works.</summary>
    public static bool CanVote(ApiVersionsResponse answer) =>
        answer.SupportedFeatures.Exists(one => one.Name == KRaftVersion && one.MinVersion <= VoterSet.KRaftVersion && one.MaxVersion >= VoterSet.KRaftVersion);

    public static ApiVersionsResponse Versions(ErrorCode error = ErrorCode.None) => new()
    {
        ErrorCode = error,
        ApiKeys = [.. LowestVersions.OrderBy(api => api.Key).Select(api => new ApiVersionsResponse.ApiVersion
        {
            ApiKey = api.Key,
            MinVersion = api.Value,
            MaxVersion = ApiCatalog.Find(api.Key)!.MaxVersion,
        })],
        SupportedFeatures = error == ErrorCode.None ? [new() { Name = KRaftVersion, MinVersion = 0, MaxVersion = VoterSet.KRaftVersion }] : [],
    };
}
