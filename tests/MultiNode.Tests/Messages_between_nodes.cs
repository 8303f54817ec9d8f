using Akka.Actor;
using Akka.TestKit.Xunit2;
using Milena.Metadata.Quorum;
using Milena.Node.Membership;

namespace Milena.MultiNode.Tests;

public sealed class Messages_between_nodes() : TestKit("akka.loglevel = off")
{
    private static readonly Guid Directory = new("01020304-0506-0708-090a-0b0c0d0e0f10");
    private const string BeforeJoin = "000000070102030405060708090A0B0C0D0E0F1000016300016800000FD603FFFFFFFF0000002F"
        + "0000020000000701" + "02030405060708090A0B0C0D0E0F10020B434F4E54524F4C4C455202680FD60000000001000000";

    private static readonly QuorumEndpoint Quorum = new("CONTROLLER", "h", 4054);

    [Fact]
    public void The_bytes_between_nodes_stay_as_they_are()
    {
        AssertBytes("nq", "000161", new WhoAreYou("a"));
        var alone = VoterSet.Of(new Voter(new ReplicaKey(7, Directory), [Quorum]));
        AssertBytes(
            "na",
            BeforeJoin + "0001" + "6A",
            new IAm(7, Directory, "c", Quorum, IsMember: true, KnowsAsker: true, LeaderId: -1, alone, Join: "j"));
        AssertBytes(
            "na",
            "000000070102030405060708090A0B0C0D0E0F10000000016800000FD604FFFFFFFF0000000400000100" + "0000",
            new IAm(7, Directory, "", Quorum, IsMember: false, KnowsAsker: false, LeaderId: -1, VoterSet.Empty, WouldVote: true));
    }

    [Fact]
    public void An_answer_of_a_version_that_does_not_tell_whom_it_is_to_meet_is_read()
    {
        var answer = (IAm)new NodeMessageSerializer((ExtendedActorSystem)Sys).FromBinary(Convert.FromHexString(BeforeJoin), "na");
        Assert.Equal((7, "c", ""), (answer.NodeId, answer.ClusterId, answer.Join));
    }

    private void AssertBytes(string manifest, string hex, object message)
    {
        var serializer = new NodeMessageSerializer((ExtendedActorSystem)Sys);
        var bytes = serializer.ToBinary(message);
        Assert.Equal(manifest, serializer.Manifest(message));
        Assert.True(hex == Convert.ToHexString(bytes), $"{manifest} is {Convert.ToHexString(bytes)} now");
        // What a later version adds at the end is passed over.
        Assert.Equal(hex, Convert.ToHexString(serializer.ToBinary(serializer.FromBinary([.. bytes, 1, 2], manifest))));
        Assert.Throws<System.Runtime.Serialization.SerializationException>(() => serializer.FromBinary(bytes[..^1], manifest));
    }
}
