using System.Collections.Concurrent;
using Akka.Actor;
using Akka.TestKit.Xunit2;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Tests.Controller.Balancing;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class ControllerActorTests : TestKit
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly MetadataImage OneBroker = Images.WithBrokers((1, null));

    private readonly ScriptedLog _log = new(OneBroker.Offset + 1);
    private readonly IActorRef _controller;

    public ControllerActorTests() : base("akka.loglevel = off") => _controller = Controller(OneBroker, epoch: 3);

    [Fact]
    public async Task It_answers_when_the_decision_is_committed_and_not_before()
    {
        var reply = Ask(Create("orders"));
        await _log.AppendedAsync();
        // A refusal overtakes nothing: it waits for what it was decided on.
        var second = Ask(Create("orders"));
        await IdentifyAsync();
        Assert.False(reply.IsCompleted);
        Assert.False(second.IsCompleted);
        _controller.Tell(new ControllerActor.Applied(Commit()));
        Assert.Equal(ErrorCode.None, (await CreatedAsync(reply)).ErrorCode);
        Assert.Equal(ErrorCode.TopicAlreadyExists, (await CreatedAsync(second)).ErrorCode);
        Assert.Single(_log.Batches);
    }

    [Fact]
    public async Task It_decides_on_its_own_latest_image_while_commits_are_outstanding()
    {
        var replies = Enumerable.Range(0, 10).Select(_ => Ask(Create("orders"))).ToList();
        var ids = new[] { Ask(Allocate()), Ask(Allocate()) };
        await IdentifyAsync();
        _controller.Tell(new ControllerActor.Applied(Commit()));
        var errors = new List<ErrorCode>();
        foreach (var reply in replies)
        {
            errors.Add((await CreatedAsync(reply)).ErrorCode);
        }

        Assert.Equal([ErrorCode.None, .. Enumerable.Repeat(ErrorCode.TopicAlreadyExists, 9)], errors);
        var blocks = new List<long>();
        foreach (var reply in ids)
        {
            blocks.Add(((AllocateProducerIdsResponse)await reply.WaitAsync(Patience)).ProducerIdStart);
        }

        Assert.Equal([0L, 1000L], blocks);
    }

    [Fact]
    public async Task Answers_come_only_as_far_as_the_commit_reaches()
    {
        var first = Ask(Create("a"));
        var second = Ask(Create("b"));
        await IdentifyAsync();
        _controller.Tell(new ControllerActor.Applied(Commit(batches: 1)));
        await CreatedAsync(first);
        await IdentifyAsync();
        Assert.False(second.IsCompleted);
        _controller.Tell(new ControllerActor.Applied(Commit()));
        await CreatedAsync(second);
    }

    [Fact]
    public async Task A_failed_append_fails_all_that_wait_and_ends_the_controller()
    {
        Watch(_controller);
        var waiting = Ask(Create("a"));
        await _log.AppendedAsync();
        _log.Failure = new NotControllerException("The quorum is in epoch 4, not 3.");
        var refused = Ask(Create("b"));
        await Assert.ThrowsAsync<NotControllerException>(() => refused.WaitAsync(Patience));
        await Assert.ThrowsAsync<NotControllerException>(() => waiting.WaitAsync(Patience));
        await ExpectTerminatedAsync(_controller, Patience);
    }

    [Fact]
    public async Task An_unexpected_failure_of_the_log_ends_the_controller_too_and_does_not_restart_it_on_an_old_image()
    {
        Watch(_controller);
        _log.Failure = new InvalidOperationException("A bug.");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Ask(Create("a")).WaitAsync(Patience));
        await ExpectTerminatedAsync(_controller, Patience);
    }

    [Fact]
    public async Task A_request_that_nobody_can_decide_fails_alone()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Ask(new FetchRequest()).WaitAsync(Patience));
        var reply = Ask(Create("a"));
        await IdentifyAsync();
        _controller.Tell(new ControllerActor.Applied(Commit()));
        await CreatedAsync(reply);
    }

    [Fact]
    public async Task Losing_the_leadership_fails_what_is_not_committed()
    {
        var waiting = Ask(Create("a"));
        await _log.AppendedAsync();
        Sys.Stop(_controller);
        await Assert.ThrowsAsync<NotControllerException>(() => waiting.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_new_controller_starts_from_the_committed_image()
    {
        var lost = Ask(Create("a"));
        await _log.AppendedAsync();
        Sys.Stop(_controller);
        await Assert.ThrowsAsync<NotControllerException>(() => lost.WaitAsync(Patience));
        _log.Truncate();
        var next = Controller(OneBroker, epoch: 4);
        _log.Epoch = 4;
        var reply = Ask(Create("a"), next);
        await _log.AppendedAsync();
        next.Tell(new ControllerActor.Applied(Commit()));
        Assert.Equal(ErrorCode.None, (await CreatedAsync(reply)).ErrorCode);
    }

    [Fact]
    public async Task Without_a_controller_the_client_says_so_and_with_one_it_gives_its_answer()
    {
        var client = new ControllerClient();
        await Assert.ThrowsAsync<NotControllerException>(() => client.AskAsync<CreateTopicsResponse>(Create("a"), Patience));
        client.Controller = _controller;
        var response = client.AskAsync<CreateTopicsResponse>(Create("a"), Patience);
        await _log.AppendedAsync();
        _controller.Tell(new ControllerActor.Applied(Commit()));
        Assert.Equal("a", Assert.Single((await response).Topics).Name);
        await Assert.ThrowsAsync<TimeoutException>(() => client.AskAsync<CreateTopicsResponse>(Create("b"), TimeSpan.FromMilliseconds(1)));
    }

    [Fact]
    public async Task It_empties_a_broker_of_its_own_accord_on_its_latest_image()
    {
        var image = Images.WithBrokers((1, null), (2, null)).Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2), Clusters.Leaving(1));
        var told = new ToldLog();
        var controller = Sys.ActorOf(ControllerActor.Props(_log, image, Decisions.Context() with { Logger = told }, "cluster", epoch: 3));
        controller.Tell(ControllerActor.BalanceReplicas.Instance);
        await _log.AppendedAsync();
        var change = Assert.IsType<PartitionChangeRecord>(Assert.Single(Assert.Single(_log.Batches)));
        Assert.Equal((2, "2,1"), (change.Leader, string.Join(',', change.Replicas!)));
        controller.Tell(ControllerActor.BalanceReplicas.Instance);
        await controller.Ask<ActorIdentity>(new Identify(null), Patience);
        Assert.Single(_log.Batches);
        Assert.Contains("Broker 1 cannot be emptied of its last 1 replicas", Assert.Single(told.Lines));
        Assert.EndsWith("(controller epoch 3)", told.Lines.Single());
    }

    private static CreateTopicsRequest Create(string name) => new() { Topics = [new() { Name = name, NumPartitions = 1, ReplicationFactor = 1 }] };

    private static AllocateProducerIdsRequest Allocate() => new() { BrokerId = 1, BrokerEpoch = 0 };

    private IActorRef Controller(MetadataImage image, int epoch) =>
        Sys.ActorOf(ControllerActor.Props(_log, image, Decisions.Context(), "cluster", epoch));

    private Task<IResponseMessage> Ask(IRequestMessage request, IActorRef? controller = null)
    {
        var reply = new TaskCompletionSource<IResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        (controller ?? _controller).Tell(new ControllerActor.Decide(request, reply));
        return reply.Task;
    }

    private static async Task<CreateTopicsResponse.CreatableTopicResult> CreatedAsync(Task<IResponseMessage> reply) =>
        Assert.Single(((CreateTopicsResponse)await reply.WaitAsync(Patience)).Topics);

    /// <summary>Returns when the controller has handled all that it was sent before.</summary>
    private Task<ActorIdentity> IdentifyAsync() => _controller.Ask<ActorIdentity>(new Identify(null), Patience);

    /// <summary>The image after the first so many appended batches, as the store would have it.</summary>
    private MetadataImage Commit(int batches = int.MaxValue) =>
        _log.Batches.Take(batches).Aggregate(OneBroker, (image, records) => image.Apply([.. records]));

    private sealed class ToldLog : ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));
    }

    /// <summary>Takes everything, commits nothing by itself.</summary>
    private sealed class ScriptedLog(long endOffset) : IMetadataLog
    {
        private readonly SemaphoreSlim _appended = new(0);
        private readonly List<IReadOnlyList<IMessage>> _batches = [];

        public int Epoch { get; set; } = 3;

        public Exception? Failure { get; set; }

        public long EndOffset { get; private set; } = endOffset;

        public long BytesSinceSnapshot => 0;

        public IReadOnlyList<IReadOnlyList<IMessage>> Batches
        {
            get
            {
                lock (_batches)
                {
                    return [.. _batches];
                }
            }
        }

        public long Append(int epoch, IReadOnlyList<IMessage> records)
        {
            if (Failure is { } failure)
            {
                throw failure;
            }

            Assert.Equal(Epoch, epoch);
            lock (_batches)
            {
                _batches.Add(records);
                EndOffset += records.Count;
            }

            _appended.Release();
            return EndOffset - 1;
        }

        public async Task AppendedAsync() => Assert.True(await _appended.WaitAsync(Patience), "Waited for an append.");

        public void Truncate()
        {
            lock (_batches)
            {
                EndOffset -= _batches.Sum(batch => batch.Count);
                _batches.Clear();
            }
        }

        public void Start(IMetadataLogListener listener) => throw new NotSupportedException();

        public void WriteSnapshot(MetadataImage image) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
