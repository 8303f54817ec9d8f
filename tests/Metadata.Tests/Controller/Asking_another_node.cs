using Akka.Actor;
using Akka.TestKit.Xunit2;
using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Remote;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Metadata.Tests.Controller;

/// <summary>A node's questions to the controller on another one: the link that asks, the gateway that answers, and the bytes between them.</summary>
public sealed class Asking_another_node : TestKit
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly AllocateProducerIdsRequest Question = new() { BrokerId = 1, BrokerEpoch = 7 };

    private readonly MetadataStore _there = new();
    private readonly MetadataStore _here = new();
    private readonly ControllerClient _controllerThere = new();
    private readonly ControllerClient _askerHere = new();
    private readonly IActorRef _link;

    public Asking_another_node() : base("akka.loglevel = off")
    {
        // The gateway of the other node lives in the same actor system here; an address without a host leads to it.
        Sys.ActorOf(ControllerGateway.Props(_controllerThere, _there), ControllerGateway.Name);
        _askerHere.Link = _link = Sys.ActorOf(ControllerLink.Props(_here, TimeProvider.System));
    }

    private Address There => new("akka", Sys.Name);

    [Fact]
    public async Task An_answer_comes_once_this_node_has_applied_what_it_speaks_of()
    {
        _controllerThere.Controller = TestActor;
        _link.Tell(new ControllerLink.ControllerAt(There));
        var answer = _askerHere.AskAsync<AllocateProducerIdsResponse>(Question, Patience);
        var decide = await ExpectMsgAsync<ControllerActor.Decide>(Patience);
        Assert.Equal((1, 7L), (((AllocateProducerIdsRequest)decide.Request).BrokerId, ((AllocateProducerIdsRequest)decide.Request).BrokerEpoch));
        _there.Apply([new ProducerIdsRecord { NextProducerId = 1000 }], lastOffset: 5, epoch: 1, isSnapshot: false);
        decide.Reply.SetResult(new AllocateProducerIdsResponse { ProducerIdStart = 0, ProducerIdLen = 1000 });
        // The link has the answer when it answers this, which it was sent later.
        await _link.Ask<ActorIdentity>(new Identify(1), Patience);
        Assert.False(answer.IsCompleted);
        _here.Apply([new ProducerIdsRecord { NextProducerId = 1000 }], lastOffset: 5, epoch: 1, isSnapshot: false);
        Assert.Equal(1000, (await answer).ProducerIdLen);
    }

    [Fact]
    public async Task Without_a_controller_it_is_said_so_at_once()
    {
        await Assert.ThrowsAsync<NotControllerException>(() => _askerHere.AskAsync<AllocateProducerIdsResponse>(Question, Patience));
        _link.Tell(new ControllerLink.ControllerAt(There));
        await Assert.ThrowsAsync<NotControllerException>(() => _askerHere.AskAsync<AllocateProducerIdsResponse>(Question, Patience));
    }

    [Fact]
    public async Task Who_waits_when_the_controller_changes_is_told()
    {
        _controllerThere.Controller = TestActor;
        _link.Tell(new ControllerLink.ControllerAt(There));
        var answer = _askerHere.AskAsync<AllocateProducerIdsResponse>(Question, Patience);
        await ExpectMsgAsync<ControllerActor.Decide>(Patience);
        _link.Tell(new ControllerLink.ControllerAt(null));
        await Assert.ThrowsAsync<NotControllerException>(() => answer);
    }

    [Fact]
    public async Task A_decision_that_failed_is_no_reason_to_ask_again()
    {
        _controllerThere.Controller = TestActor;
        _link.Tell(new ControllerLink.ControllerAt(There));
        var answer = _askerHere.AskAsync<AllocateProducerIdsResponse>(Question, Patience);
        (await ExpectMsgAsync<ControllerActor.Decide>(Patience)).Reply.SetException(new ArgumentException("a bug"));
        Assert.Contains("a bug", (await Assert.ThrowsAsync<InvalidOperationException>(() => answer)).Message);
    }

    [Theory]
    [InlineData(67, 99)]
    [InlineData(999, 0)]
    public async Task A_question_of_another_version_is_refused_in_words(short apiKey, short version)
    {
        _controllerThere.Controller = TestActor;
        var gateway = Sys.ActorSelection(new RootActorPath(There) / "user" / ControllerGateway.Name);
        var answer = await gateway.Ask<ControllerAnswer>(new ControllerQuestion(3, apiKey, version, new byte[] { 1 }), Patience);
        Assert.Equal((3, ControllerOutcome.Failed), (answer.Id, answer.Outcome));
        Assert.Contains("cannot read", answer.Reason);
    }

    [Fact]
    public void The_bytes_between_nodes_stay_as_they_are()
    {
        var serializer = new ControllerMessageSerializer((ExtendedActorSystem)Sys);
        AssertBytes("cq", "0000000000000002004300000000000401020304", new ControllerQuestion(2, 67, 0, new byte[] { 1, 2, 3, 4 }));
        AssertBytes("ca", "000000000000000201000000000000002A000000010900026E6F", new ControllerAnswer(2, ControllerOutcome.NotController, 42, new byte[] { 9 }, "no"));

        void AssertBytes(string manifest, string hex, object message)
        {
            var bytes = serializer.ToBinary(message);
            Assert.Equal((manifest, hex), (serializer.Manifest(message), Convert.ToHexString(bytes)));
            // What a later version adds at the end is passed over.
            Assert.Equal(hex, Convert.ToHexString(serializer.ToBinary(serializer.FromBinary([.. bytes, 1, 2], manifest))));
            Assert.Throws<System.Runtime.Serialization.SerializationException>(() => serializer.FromBinary(bytes[..^3], manifest));
        }
    }
}
