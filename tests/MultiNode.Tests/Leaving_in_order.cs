using Akka.Actor;
using Akka.TestKit.Xunit2;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Node;
using Milena.Protocol;

namespace Milena.MultiNode.Tests;

/// <summary>A broker that stops, of a cluster in which others stop too, by a clock that stands still.</summary>
public sealed class Leaving_in_order : TestKit, IAsyncLifetime
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    private readonly FakeTimeProvider _time = new();
    private readonly MetadataStore _metadata = new();
    private readonly ControllerClient _controller = new();
    private BrokerLifecycle _lifecycle = null!;
    private volatile int _askedInVain;

    public async Task InitializeAsync()
    {
        _controller.Controller = Sys.ActorOf(Props.Create(() => new Registry(this)));
        _lifecycle = new BrokerLifecycle(1, _controller, _metadata, () => [], _ => [], Timeout, _time, NullLogger.Instance, _ => { });
        await _lifecycle.RegisterAsync(new BrokerRegistrationRequest { BrokerId = 1 }, default);
    }

    public async Task DisposeAsync() => await _lifecycle.DisposeAsync();

    [Fact]
    public async Task It_asks_nobody_when_it_is_the_only_broker() => Assert.False(await _lifecycle.LeaveToOthersAsync(Timeout).WaitAsync(InProcessCluster.Patience));

    [Fact]
    public async Task It_waits_for_a_controller_that_does_not_answer_until_no_other_broker_is_left_that_could_lead()
    {
        Register(2);
        Register(3);
        var leaving = _lifecycle.LeaveToOthersAsync(TimeSpan.FromDays(1));
        Apply(new BrokerRegistrationChangeRecord { BrokerId = 2, BrokerEpoch = EpochOf(2), InControlledShutdown = 1 });
        var before = _askedInVain;
        await AdvanceUntilAsync("it asks again", () => _askedInVain > before + 1);
        Apply(new BrokerRegistrationChangeRecord { BrokerId = 3, BrokerEpoch = EpochOf(3), Fenced = 1 });
        Assert.False(await leaving.WaitAsync(InProcessCluster.Patience));
    }

    [Fact]
    public async Task It_gives_up_after_a_while_when_the_others_live_and_the_controller_does_not_answer()
    {
        Register(2);
        var leaving = _lifecycle.LeaveToOthersAsync(Timeout);
        var began = _time.GetTimestamp();
        await AdvanceUntilAsync("it gives up", () => leaving.IsCompleted);
        Assert.False(await leaving);
        Assert.True(_time.GetElapsedTime(began) >= Timeout, "It has given up too early.");
    }

    private async Task AdvanceUntilAsync(string what, Func<bool> condition)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < InProcessCluster.Patience, $"Not within {InProcessCluster.Patience}: {what}");
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await timer.WaitForNextTickAsync();
        }
    }

    private void Register(int id) => Apply(new RegisterBrokerRecord { BrokerId = id, BrokerEpoch = id, Fenced = false });

    private long EpochOf(int id) => _metadata.Current.Brokers[id].Epoch;

    private void Apply(IMessage record) => _metadata.Apply([record], _metadata.Current.Offset + 1, epoch: 1, isSnapshot: false);

    /// <summary>Registers brokers, and leads nobody.</summary>
    private sealed class Registry : ReceiveActor
    {
        public Registry(Leaving_in_order test) => Receive<ControllerActor.Decide>(asked =>
        {
            if (asked.Request is BrokerRegistrationRequest request)
            {
                test.Register(request.BrokerId);
                asked.Reply.SetResult(new BrokerRegistrationResponse { BrokerEpoch = request.BrokerId });
                return;
            }

            asked.Reply.SetException(new NotControllerException("There is no quorum any more."));
            Interlocked.Increment(ref test._askedInVain);
        });
    }
}
