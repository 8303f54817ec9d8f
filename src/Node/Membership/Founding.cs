using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Storage;

namespace Milena.Node.Membership;

/// <summary>What a node knows of its cluster before its metadata log tells it more.</summary>
/// <param name="FirstVoters">Who votes while the metadata log does not say so: the same at each of them; empty at a node that joins later.</param>
/// <param name="Bootstrap">Where to look for the quorum's leader.</param>
public sealed record ClusterIdentity(string ClusterId, Guid DirectoryId, VoterSet FirstVoters, ImmutableArray<QuorumPeer> Bootstrap);

/// <summary>Finds out which cluster this node belongs to: its own, the one it was in, the one that others founded, or the one that it founds with them.</summary>
/// <remarks>
/// What the directory holds wins over <c>--join</c>. An empty node that is listed waits until all that are listed answer: if one of them belongs to a
/// cluster, it joins that; if all are empty, they found one, and each computes the same voters and the same id. A node that is not listed
/// joins and never founds. Founders write down what they agreed on before they act on it, so each may die at any point.
/// </remarks>
/// <param name="directory">The metadata log's.</param>
/// <param name="knownClusterId">The cluster that another directory of this node belongs to; null where all are new.</param>
internal sealed class Founding(ActorSystem system, NodeConfiguration configuration, NodeSelf self, string directory, string? knownClusterId, IDisk disk, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(5);

    /// <exception cref="StartupException">Another node has this node's id, or the files of the directory contradict each other.</exception>
    public async Task<ClusterIdentity> FindAsync(CancellationToken cancel)
    {
        disk.CreateFolder(directory);
        var meta = MetaProperties.TryRead(disk, directory, out var problem);
        if (problem.Length > 0)
        {
            throw new StartupException(problem);
        }

        var founding = ReadFounding();
        if (founding is not null && founding.ClusterId.Length > 0)
        {
            return Belong(new ClusterIdentity(founding.ClusterId, founding.DirectoryId, founding.FirstVoters, Listed()), meta);
        }

        if (meta is not null)
        {
            return Belong(new ClusterIdentity(meta.ClusterId, meta.DirectoryId, Alone(meta.DirectoryId), Listed()), meta);
        }

        if (configuration.Join.Count == 0 || (configuration.Join.Count == 1 && IsListed))
        {
            var directoryId = Guid.NewGuid();
            return Belong(new ClusterIdentity(knownClusterId ?? Uuid.ToText(Guid.NewGuid()), directoryId, Alone(directoryId), []), meta);
        }

        return Belong(await MeetAsync(founding?.DirectoryId ?? NewDirectoryId(), cancel), meta);
    }

    private bool IsListed => configuration.Join.Contains(configuration.ClusterListen);

    private FoundingFile? ReadFounding()
    {
        try
        {
            return FoundingFile.TryRead(disk, directory);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException)
        {
            throw new StartupException(e.Message);
        }
    }

    private Guid NewDirectoryId()
    {
        var id = Guid.NewGuid();
        new FoundingFile(id, "", VoterSet.Empty).Write(disk, directory);
        return id;
    }

    private ClusterIdentity Belong(ClusterIdentity identity, MetaProperties? meta)
    {
        if (meta is null)
        {
            new MetaProperties(identity.ClusterId, configuration.NodeId, identity.DirectoryId).Write(disk, directory);
        }
        else if (meta.ClusterId != identity.ClusterId || meta.DirectoryId != identity.DirectoryId)
        {
            throw new StartupException($"'{directory}' holds files of two clusters. Empty it to start this node as a new one.");
        }

        self.BelongsTo(identity.ClusterId, identity.DirectoryId, identity.FirstVoters);
        return identity;
    }

    private async Task<ClusterIdentity> MeetAsync(Guid directoryId, CancellationToken cancel)
    {
        self.IsEmpty(directoryId, InOrder(configuration.Join.Select(one => one.ToString())));
        var others = configuration.Join.Where(address => address != configuration.ClusterListen).ToList();
        var reported = time.GetTimestamp();
        while (true)
        {
            var answers = await Task.WhenAll(others.Select(one => Greeter.AskAsync(system, NodeAddress.Of(one))));
            if (TryAgree(directoryId, answers) is { } identity)
            {
                new FoundingFile(directoryId, identity.ClusterId, identity.FirstVoters).Write(disk, directory);
                return identity;
            }

            if (time.GetElapsedTime(reported) >= ReportInterval)
            {
                reported = time.GetTimestamp();
                MembershipLog.WaitingForOthers(logger, string.Join(", ", others.Where((_, index) => answers[index] is null)));
            }

            await Task.Delay(Pause, time, cancel);
        }
    }

    private ClusterIdentity? TryAgree(Guid directoryId, IAm?[] answers)
    {
        // One that has not looked into its directory yet has not said who it is.
        var there = answers.OfType<IAm>().Where(one => one.DirectoryId != Guid.Empty).ToList();
        if (there.Exists(one => one.DirectoryId == directoryId))
        {
            throw new StartupException($"--join names this node by another address than its --cluster-listen, {configuration.ClusterListen}. Write it the same in both.");
        }

        if (there.Exists(one => one.NodeId == configuration.NodeId) || there.DistinctBy(one => one.NodeId).Count() < there.Count)
        {
            var twice = there.Append(null).Select(one => one?.NodeId ?? configuration.NodeId).GroupBy(id => id).First(group => group.Count() > 1).Key;
            throw new StartupException($"Two of the nodes in --join have the id {twice}. Give every node an id of its own with --node-id.");
        }

        var me = new ReplicaKey(configuration.NodeId, directoryId);
        if (there.Find(one => one.ClusterId.Length > 0) is { } member)
        {
            var founders = there.Select(one => one.FirstVoters).FirstOrDefault(voters => voters.Contains(me)) ?? VoterSet.Empty;
            return new ClusterIdentity(member.ClusterId, directoryId, founders, [.. there.Select(one => new QuorumPeer(-1, one.Quorum.Host, one.Quorum.Port))]);
        }

        if (!IsListed)
        {
            return null;
        }

        RequireSameList(there);
        if (there.Count < answers.Length)
        {
            return null;
        }

        var voters = VoterSet.Of([.. there.Select(one => new Voter(new ReplicaKey(one.NodeId, one.DirectoryId), [one.Quorum])), new Voter(me, [self.Quorum])]);
        return new ClusterIdentity(IdOf(voters), directoryId, voters, Listed());
    }

    /// <summary>Who meets others than those who meet it would found another cluster than they.</summary>
    private void RequireSameList(IEnumerable<IAm> founders)
    {
        var mine = InOrder(configuration.Join.Select(one => one.ToString()));
        if (founders.FirstOrDefault(one => one.Join.Length > 0 && one.Join != mine) is { } other)
        {
            throw new StartupException($"--join is {mine} here, and {other.Join} at node {other.NodeId}. Write the same list at every node.");
        }
    }

    private static string InOrder(IEnumerable<string> addresses) => string.Join(',', addresses.Distinct().Order(StringComparer.Ordinal));

    /// <summary>The same for each founder, and another one for other founders: their directories' ids are random.</summary>
    private static string IdOf(VoterSet voters)
    {
        var text = string.Join('\n', voters.All.Select(voter => voter.Key.ToString()));
        return Uuid.ToText(new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16)));
    }

    private VoterSet Alone(Guid directoryId) => VoterSet.Of(new Voter(new ReplicaKey(configuration.NodeId, directoryId), [self.Quorum]));

    /// <summary>By convention the quorum listens one port above the cluster.</summary>
    private ImmutableArray<QuorumPeer> Listed() =>
        [.. configuration.Join.Where(one => one != configuration.ClusterListen).Select(one => new QuorumPeer(-1, one.Host, (ushort)(one.Port + 1)))];
}
