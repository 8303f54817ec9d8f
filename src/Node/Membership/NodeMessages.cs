using Akka.Actor;
using Akka.Serialization;
using Milena.Metadata.Quorum;
using Milena.Protocol;

namespace Milena.Node.Membership;

/// <summary>One node asks another who it is: before it belongs to a cluster, and as long as it looks for the quorum's leader.</summary>
/// <param name="Asker">The asker's own address.</param>
public sealed record WhoAreYou(string Asker);

/// <summary>The answer to <see cref="WhoAreYou"/>.</summary>
/// <param name="ClusterId">Empty while the node belongs to none.</param>
/// <param name="Quorum">Where its replica of the metadata log is reached.</param>
/// <param name="IsMember">Whether it is in an Akka cluster.</param>
/// <param name="KnowsAsker">Whether the asker is a member of that one.</param>
/// <param name="LeaderId">Who leads the metadata quorum as far as it knows, -1 for unknown.</param>
/// <param name="FirstVoters">Who founded the cluster; empty where it was not told, or was none of them.</param>
/// <param name="Join">Whom it was told to meet, as in <c>--join</c>; empty where it belongs to a cluster, or its version does not tell.</param>
/// <param name="WouldVote">Whether the metadata quorum's leader may make it a voter of his own accord.</param>
public sealed record IAm(
    int NodeId,
    Guid DirectoryId,
    string ClusterId,
    QuorumEndpoint Quorum,
    bool IsMember,
    bool KnowsAsker,
    int LeaderId,
    VoterSet FirstVoters,
    string Join = "",
    bool WouldVote = false);

/// <summary>The form in which both cross nodes: Kafka's primitive types, one after the other; what a later version adds behind them is passed over.</summary>
public sealed class NodeMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string Question = "nq";
    private const string Answer = "na";

    public override int Identifier => 53_002;

    public override string Manifest(object o) => o switch
    {
        WhoAreYou => Question,
        IAm => Answer,
        _ => throw new ArgumentException($"{o.GetType()} is no message between nodes."),
    };

    public override byte[] ToBinary(object obj)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        switch (obj)
        {
            case WhoAreYou question:
                writer.WriteString(compact: false, nullable: false, question.Asker);
                break;
            case IAm answer:
                Write(ref writer, answer);
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is no message between nodes.");
        }

        return buffer.Written.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new ProtocolReader(bytes);
        object? message = manifest switch
        {
            Question => new WhoAreYou(reader.ReadString(compact: false)),
            Answer => Read(ref reader),
            _ => throw new System.Runtime.Serialization.SerializationException($"Unknown manifest '{manifest}'."),
        };
        return reader.Failed || message is null
            ? throw new System.Runtime.Serialization.SerializationException($"A message '{manifest}' of {bytes.Length} bytes cannot be read.")
            : message;
    }

    private static void Write(ref ProtocolWriter writer, IAm answer)
    {
        writer.WriteInt32(answer.NodeId);
        writer.WriteUuid(answer.DirectoryId);
        writer.WriteString(compact: false, nullable: false, answer.ClusterId);
        writer.WriteString(compact: false, nullable: false, answer.Quorum.Host);
        writer.WriteInt32(answer.Quorum.Port);
        writer.WriteInt8((sbyte)((answer.IsMember ? 1 : 0) | (answer.KnowsAsker ? 2 : 0) | (answer.WouldVote ? 4 : 0)));
        writer.WriteInt32(answer.LeaderId);
        writer.WriteBytes(compact: false, nullable: false, VoterList.Encode(answer.FirstVoters));
        writer.WriteString(compact: false, nullable: false, answer.Join);
    }

    private static IAm? Read(ref ProtocolReader reader)
    {
        var (nodeId, directoryId, clusterId) = (reader.ReadInt32(), reader.ReadUuid(), reader.ReadString(compact: false));
        var quorum = new QuorumEndpoint(VoterList.EndpointName, reader.ReadString(compact: false), (ushort)reader.ReadInt32());
        var flags = reader.ReadInt8();
        var leaderId = reader.ReadInt32();
        var voters = VoterList.TryDecode(reader.ReadBytes(compact: false));
        var join = !reader.Failed && !reader.IsAtEnd ? reader.ReadString(compact: false) : "";
        return voters is null ? null : new IAm(nodeId, directoryId, clusterId, quorum, (flags & 1) != 0, (flags & 2) != 0, leaderId, voters, join, (flags & 4) != 0);
    }
}

/// <summary>A set of voters as bytes: a VotersRecord, as the metadata log holds it.</summary>
internal static class VoterList
{
    /// <summary>The name that the quorum's own endpoints have; nobody looks at it but tools.</summary>
    public const string EndpointName = "CONTROLLER";

    public static byte[] Encode(VoterSet voters)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        voters.ToRecord().Write(ref writer, VotersRecord.HighestVersion);
        return buffer.Written.ToArray();
    }

    public static VoterSet? TryDecode(ReadOnlyMemory<byte> bytes)
    {
        var reader = new ProtocolReader(bytes);
        return VotersRecord.TryRead(ref reader, VotersRecord.HighestVersion, out var record) ? VoterSet.FromRecord(record) : null;
    }
}
