using Akka.Actor;
using Akka.TestKit.Xunit2;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Settings;
using Milena.Node;
using Milena.Protocol;
using Milena.Replication;
using Milena.Storage;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>A broker whose disks fail, and a controller that it reaches or not, by a clock of the test's.</summary>
public sealed class Telling_of_failed_directories : TestKit, IAsyncLifetime
{
    private const string ClusterId = "cluster";

    private static readonly string[] Paths = ["/data1", "/data2", "/data3"];
    private static readonly TimeSpan TellWithin = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();
    private readonly MetadataStore _metadata = new();
    private readonly LogDirectories _directories = new();
    private readonly Reach _reach = new();
    private readonly TaskCompletionSource<(string Reason, long At)> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private BrokerLifecycle _lifecycle = null!;

    public async Task InitializeAsync()
    {
        var environment = new LogEnvironment(new FaultyDisk(), _time, new Random(1), _directories);
        foreach (var path in Paths)
        {
            Assert.True(LogDirectory.TryOpen(path, ClusterId, 1, environment, out var directory, out var problem), problem);
            _directories.Add(directory!);
        }

        var client = new ControllerClient { Controller = Sys.ActorOf(Props.Create(() => new Controller(_metadata, _reach))) };
        _lifecycle = new BrokerLifecycle(
            1, client, _metadata, () => _directories.Offline, _ => [], TellWithin, _time, NullLogger.Instance, reason => _failed.TrySetResult((reason, _time.GetTimestamp())));
        _directories.Failed += (_, _) => _lifecycle.DirectoryFailed();
        await _lifecycle.RegisterAsync(new BrokerRegistrationRequest { BrokerId = 1, ClusterId = ClusterId, LogDirs = [.. _directories.OnlineIds] }, default);
        await _lifecycle.WhenUnfencedAsync(default).WaitAsync(InProcessCluster.Patience);
    }

    public async Task DisposeAsync()
    {
        await _lifecycle.DisposeAsync();
        _directories.Dispose();
    }

    [Fact]
    public async Task It_ends_with_one_line_when_the_controller_is_not_reached_for_so_long_and_not_before()
    {
        _reach.IsCut = true;
        var began = _time.GetTimestamp();
        Fail(0);
        await UntilAsync("it ends", () => _failed.Task.IsCompleted, TimeSpan.FromMilliseconds(100));
        var (reason, at) = await _failed.Task;
        Assert.True(_time.GetElapsedTime(began, at) >= TellWithin, "It has ended too early.");
        Assert.Equal(
            $"The disk under {Path.GetFullPath(Paths[0])} failed, and the controller could not be told so within 30000 ms (log.dir.failure.timeout.ms): until it knows, "
            + "no other node leads what lies there. Mend the disk, or the way to the controller, and start the node again.",
            reason);
    }

    [Fact]
    public async Task It_goes_on_when_the_controller_hears_of_it_late_and_has_as_long_for_the_next()
    {
        await TellLateAsync(0);
        _time.Advance(2 * TellWithin);
        await TellLateAsync(1);
        Assert.False(_failed.Task.IsCompleted);
    }

    private void Fail(int directory) => _directories.DiskFailed(Paths[directory], new IOException("Input/output error."));

    private async Task TellLateAsync(int directory)
    {
        _reach.IsCut = true;
        var before = _reach.InVain;
        Fail(directory);
        await UntilAsync("it has asked in vain", () => _reach.InVain > before, TimeSpan.Zero);
        _reach.IsCut = false;
        // In steps so small that the time is not over before the broker has had its turn.
        await UntilAsync("the controller knows", () => !_metadata.Current.Brokers[1].LogDirectories.Contains(_directories.All[directory].Identity.DirectoryId), TimeSpan.FromMilliseconds(5));
    }

    private async Task UntilAsync(string what, Func<bool> condition, TimeSpan step)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < InProcessCluster.Patience, $"Not within {InProcessCluster.Patience}: {what}");
            _time.Advance(step);
            await timer.WaitForNextTickAsync();
        }
    }

    private sealed class Reach
    {
        private volatile bool _isCut;
        private volatile int _inVain;

        public bool IsCut
        {
            get => _isCut;
            set => _isCut = value;
        }

        /// <summary>How often the controller was not reached.</summary>
        public int InVain => _inVain;

        public void AskedInVain() => Interlocked.Increment(ref _inVain);
    }

    /// <summary>Decides as the product's controller does, and commits at once.</summary>
    private sealed class Controller : ReceiveActor
    {
        public Controller(MetadataStore metadata, Reach reach)
        {
            var context = new ControllerContext(StaticSettings.Defaults, new Random(1), Guid.NewGuid);
            Receive<ControllerActor.Decide>(asked =>
            {
                if (reach.IsCut)
                {
                    reach.AskedInVain();
                    asked.Reply.SetException(new NotControllerException("The controller is not reached."));
                    return;
                }

                var image = metadata.Current;
                var decision = asked.Request switch
                {
                    BrokerRegistrationRequest registration => RegisterBrokerDecision.Decide(image, registration, context, image.Offset + 1, ClusterId),
                    BrokerHeartbeatRequest beat => BrokerHeartbeatDecision.Decide(image, beat, context),
                    var other => throw new InvalidOperationException($"A broker's lifecycle asks for {other.GetType().Name}."),
                };
                if (decision.Records.Count > 0)
                {
                    metadata.Apply(decision.Records, image.Offset + decision.Records.Count, epoch: 1, isSnapshot: false);
                }

                asked.Reply.SetResult(decision.Response);
            });
        }
    }
}
