using System.Collections.Immutable;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>A replica of the metadata log: a node, and the directory that its log lies in. An emptied disk is another replica (KIP-853).</summary>
public readonly record struct ReplicaKey(int Id, Guid DirectoryId)
{
    public override string ToString() => $"{Id}:{Model.Uuid.ToText(DirectoryId)}";
}

/// <summary>An address under which a voter is reached by the others.</summary>
public sealed record QuorumEndpoint(string Name, string Host, ushort Port);

/// <summary>Where to send a request. The id is -1 for an address from the configuration of which nobody has said whose it is.</summary>
public readonly record struct QuorumPeer(int Id, string Host, ushort Port);

public sealed record Voter(ReplicaKey Key, ImmutableArray<QuorumEndpoint> Endpoints)
{
    public QuorumPeer Peer => new(Key.Id, Endpoints[0].Host, Endpoints[0].Port);

    public bool HasEndpoints(ImmutableArray<QuorumEndpoint> endpoints) => Endpoints.AsSpan().SequenceEqual(endpoints.AsSpan());
}

/// <summary>Who votes, and whose copies count, as a VotersRecord of the log says.</summary>
public sealed class VoterSet
{
    /// <summary>The level of kraft.version at which every quorum here works, from its first record on.</summary>
    public const short KRaftVersion = 1;

    private readonly ImmutableSortedDictionary<int, Voter> _voters;

    private VoterSet(ImmutableSortedDictionary<int, Voter> voters) => _voters = voters;

    public static VoterSet Empty { get; } = new(ImmutableSortedDictionary<int, Voter>.Empty);

    public IEnumerable<Voter> All => _voters.Values;

    public int Count => _voters.Count;

    public int Majority => (_voters.Count / 2) + 1;

    public static VoterSet Of(params IEnumerable<Voter> voters) => new(voters.ToImmutableSortedDictionary(voter => voter.Key.Id, voter => voter));

    /// <summary>Null for a record that names a voter twice, or one without an address.</summary>
    public static VoterSet? FromRecord(VotersRecord record)
    {
        var voters = ImmutableSortedDictionary.CreateBuilder<int, Voter>();
        foreach (var voter in record.Voters)
        {
            if (voter.Endpoints.Count == 0 || voters.ContainsKey(voter.VoterId))
            {
                return null;
            }

            var endpoints = voter.Endpoints.Select(endpoint => new QuorumEndpoint(endpoint.Name, endpoint.Host, endpoint.Port));
            voters.Add(voter.VoterId, new Voter(new ReplicaKey(voter.VoterId, voter.VoterDirectoryId), [.. endpoints]));
        }

        return new VoterSet(voters.ToImmutable());
    }

    public bool Contains(ReplicaKey key) => Find(key.Id) is { } voter && voter.Key == key;

    public Voter? Find(int id) => _voters.GetValueOrDefault(id);

    public VoterSet With(Voter voter) => new(_voters.SetItem(voter.Key.Id, voter));

    public VoterSet Without(int id) => new(_voters.Remove(id));

    public VotersRecord ToRecord() => new()
    {
        Voters = [.. All.Select(voter => new VotersRecord.Voter
        {
            VoterId = voter.Key.Id,
            VoterDirectoryId = voter.Key.DirectoryId,
            Endpoints = [.. voter.Endpoints.Select(one => new VotersRecord.Endpoint { Name = one.Name, Host = one.Host, Port = one.Port })],
            KRaftVersionFeature = new() { MinSupportedVersion = 0, MaxSupportedVersion = KRaftVersion },
        })],
    };

    public override string ToString() => $"[{string.Join(", ", _voters.Keys)}]";
}
