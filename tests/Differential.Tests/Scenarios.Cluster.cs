using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Scenarios of the metadata's quorum and of feature levels. What would change them for good is refused or only checked.</summary>
public static partial class Scenarios
{
    private const string Metadatas = "__cluster_metadata";
    private const sbyte Up = 1;
    private const sbyte Down = 2;
    private const sbyte DownWhateverIsLost = 3;

    private static readonly Guid Unknown = new("11111111-2222-3333-4444-555555555555");

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeQuorum(short version)
    {
        DescribeQuorumRequest Of(params (string Topic, int[] Partitions)[] topics) => new()
        {
            Topics = [.. topics.Select(topic => new DescribeQuorumRequest.TopicData
            {
                TopicName = topic.Topic,
                Partitions = [.. topic.Partitions.Select(index => new DescribeQuorumRequest.PartitionData { PartitionIndex = index })],
            })],
        };
        yield return _ => Of((Metadatas, [0]));
        yield return _ => Of((Metadatas, [1]));
        yield return _ => Of((Metadatas, [0, 1]));
        yield return _ => Of((Metadatas, []));
        yield return _ => Of(("other", [0]));
        yield return _ => Of((Metadatas, [0]), ("other", [0]));
        yield return _ => Of();
    }

    private static IEnumerable<Func<Session, IRequestMessage>> AddRaftVoter(short version)
    {
        AddRaftVoterRequest Add(int id, Guid directory, params (string Name, string Host, ushort Port)[] listeners) => new()
        {
            ClusterId = null,
            TimeoutMs = 5000,
            VoterId = id,
            VoterDirectoryId = directory,
            Listeners = [.. listeners.Select(one => new AddRaftVoterRequest.Listener { Name = one.Name, Host = one.Host, Port = one.Port })],
        };
        (string, string, ushort) somewhere = ("CONTROLLER", "127.0.0.1", 1);
        yield return _ => Add(1, Unknown, somewhere);
        yield return _ => Add(1, Guid.Empty, somewhere);
        yield return _ => Add(-1, Unknown, somewhere);
        yield return _ => Add(7, Unknown);
        yield return _ => Add(7, Unknown, ("OTHER", "127.0.0.1", 1));
        yield return _ => Add(7, Unknown, somewhere);
        yield return _ => Add(7, Unknown, somewhere, ("OTHER", "127.0.0.1", 2));
        yield return _ =>
        {
            var another = Add(-1, Unknown, somewhere);
            another.ClusterId = "another";
            return another;
        };
    }

    private static IEnumerable<Func<Session, IRequestMessage>> RemoveRaftVoter(short version)
    {
        yield return _ => new RemoveRaftVoterRequest { ClusterId = null, VoterId = 1, VoterDirectoryId = Unknown };
        yield return _ => new RemoveRaftVoterRequest { ClusterId = null, VoterId = 7, VoterDirectoryId = Unknown };
        yield return _ => new RemoveRaftVoterRequest { ClusterId = null, VoterId = 1, VoterDirectoryId = Guid.Empty };
        yield return _ => new RemoveRaftVoterRequest { ClusterId = null, VoterId = -1, VoterDirectoryId = Unknown };
        yield return _ => new RemoveRaftVoterRequest { ClusterId = "another", VoterId = 1, VoterDirectoryId = Unknown };
        yield return session => new RemoveRaftVoterRequest { ClusterId = null, VoterId = 1, VoterDirectoryId = OnlyVoter(session) };
    }

    private static Guid OnlyVoter(Session session) => session.Prepare<DescribeQuorumResponse>(
        ApiKey.DescribeQuorum, 2, new DescribeQuorumRequest { Topics = [new() { TopicName = Metadatas, Partitions = [new()] }] })
        .Topics[0].Partitions[0].CurrentVoters.Single().ReplicaDirectoryId;

    private static IEnumerable<Func<Session, IRequestMessage>> UpdateFeatures(short version)
    {
        UpdateFeaturesRequest Update(params (string Feature, short Level, sbyte Type)[] updates) => new()
        {
            TimeoutMs = 5000,
            FeatureUpdates = [.. updates.Select(one => new UpdateFeaturesRequest.FeatureUpdateKey
            {
                Feature = one.Feature,
                MaxVersionLevel = one.Level,
                UpgradeType = version == 0 ? Up : one.Type,
                AllowDowngrade = version == 0 && one.Type != Up,
            })],
        };
        var cases = new (string Feature, short Level, sbyte Type)[]
        {
            ("metadata.version", 30, Up), ("metadata.version", 30, Down), ("metadata.version", 29, Up), ("metadata.version", 29, Down),
            ("metadata.version", 29, DownWhateverIsLost), ("metadata.version", 31, Up), ("metadata.version", 6, Down), ("metadata.version", 0, Down),
            ("metadata.version", -1, Up), ("metadata.version", 30, 0), ("metadata.version", 30, 4), ("kraft.version", 1, Up), ("kraft.version", 2, Up),
            ("kraft.version", 0, Down), ("no.such.version", 1, Up), ("no.such.version", 0, Up), ("no.such.version", 0, Down), ("", 1, Up),
        };
        foreach (var one in cases)
        {
            yield return _ => Update(one);
            if (version > 0)
            {
                yield return _ =>
                {
                    var check = Update(one);
                    check.ValidateOnly = true;
                    return check;
                };
            }
        }

        yield return _ => Update(("metadata.version", 30, Up), ("no.such.version", 1, Up));
        yield return _ => Update(("metadata.version", 30, Up), ("kraft.version", 1, Up));
        yield return _ => Update(("metadata.version", 31, Up), ("metadata.version", 30, Up));
        yield return _ => Update();
    }

    /// <summary>Not topics, of which other scenarios make some at the same time.</summary>
    private static IEnumerable<Func<Session, IRequestMessage>> ListConfigResources(short version)
    {
        if (version == 0)
        {
            yield return _ => new ListConfigResourcesRequest();
            yield break;
        }

        foreach (var types in new sbyte[][] { [4], [8], [16], [32], [4, 8, 32], [4, 4], [1], [0], [-3], [64], [4, 99] })
        {
            yield return _ => new ListConfigResourcesRequest { ResourceTypes = [.. types] };
        }
    }
}
