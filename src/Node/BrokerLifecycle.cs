using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Node;

/// <summary>
/// This node as a broker of its cluster: registers it, has it let in once it has caught up, again whenever it was shut out, tells which of its log
/// directories have failed and which take no new replica, and leaves in order.
/// </summary>
/// <remarks>A broker that is shut out (fenced) while it lives was cut off from the others, or too slow for them; it asks until it is in again.</remarks>
public sealed class BrokerLifecycle : IAsyncDisposable
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly Task Never = new TaskCompletionSource().Task;

    private readonly int _brokerId;
    private readonly ControllerClient _controller;
    private readonly MetadataStore _metadata;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<IReadOnlyList<LogDirectory>> _offlineDirectories;
    private readonly Func<MetadataImage, IReadOnlyList<Guid>> _cordonedDirectories;
    private readonly TimeSpan _tellWithin;
    private readonly Action<string> _failed;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TaskCompletionSource _unfenced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;
    private long _epoch = -1;

    /// <summary>Since when there is a failed directory of which the controller does not know; null while there is none.</summary>
    private long? _untoldSince;

    /// <param name="offlineDirectories">The log directories that have failed.</param>
    /// <param name="cordonedDirectories">The ids of those that take no new replica, as an image says.</param>
    /// <param name="tellWithin"><c>log.dir.failure.timeout.ms</c>: how long a failed directory may stay unknown to the controller.</param>
    /// <param name="failed">Told, in a sentence, when another process has taken this broker's id, or the controller could not be told of a failed directory.</param>
    public BrokerLifecycle(
        int brokerId,
        ControllerClient controller,
        MetadataStore metadata,
        Func<IReadOnlyList<LogDirectory>> offlineDirectories,
        Func<MetadataImage, IReadOnlyList<Guid>> cordonedDirectories,
        TimeSpan tellWithin,
        TimeProvider time,
        ILogger logger,
        Action<string> failed)
    {
        (_brokerId, _controller, _metadata, _time, _logger, _failed) = (brokerId, controller, metadata, time, logger, failed);
        (_offlineDirectories, _cordonedDirectories, _tellWithin) = (offlineDirectories, cordonedDirectories, tellWithin);
        metadata.Observe(_ => _changes.Writer.TryWrite(true));
    }

    /// <summary>The epoch of this incarnation, -1 before it is registered.</summary>
    public long Epoch => Interlocked.Read(ref _epoch);

    /// <summary>Registers, however long it takes until there is a controller.</summary>
    /// <exception cref="StartupException">The controller refuses this broker for a reason that waiting does not mend.</exception>
    public async Task RegisterAsync(BrokerRegistrationRequest request, CancellationToken cancel)
    {
        while (true)
        {
            if (await TryAskAsync<BrokerRegistrationResponse>(request) is { } response)
            {
                switch (response.ErrorCode)
                {
                    case ErrorCode.None:
                        Interlocked.Exchange(ref _epoch, response.BrokerEpoch);
                        _running = StayInAsync();
                        _changes.Writer.TryWrite(true);
                        return;
                    case ErrorCode.NotController:
                        break;
                    default:
                        throw new StartupException(Explain(request, response.ErrorCode));
                }
            }

            await Task.Delay(Pause, _time, cancel);
        }
    }

    /// <summary>Completes when this broker has been let in for the first time.</summary>
    public Task WhenUnfencedAsync(CancellationToken cancel) => _unfenced.Task.WaitAsync(cancel);

    /// <summary>Another log directory has failed: the controller is told, however long that takes.</summary>
    public void DirectoryFailed() => _changes.Writer.TryWrite(true);

    /// <summary>Has the others lead what this broker leads, so that nobody has to wait until its absence is noticed. Gives up after a while.</summary>
    /// <returns>Whether the controller has said that it is so.</returns>
    public Task<bool> LeaveAsync(TimeSpan timeout) => AskUntilAsync(wantShutDown: true, response => response.ShouldShutDown, timeout, Never);

    /// <summary>As <see cref="LeaveAsync"/>, and gives up also when no other broker is left that could lead: of nodes that all stop at once the last would ask a quorum that is gone.</summary>
    public Task<bool> LeaveToOthersAsync(TimeSpan timeout)
    {
        var alone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _metadata.Observe(change => Look(change.Image));
        Look(_metadata.Current);
        return AskUntilAsync(wantShutDown: true, response => response.ShouldShutDown, timeout, alone.Task);

        void Look(MetadataImage image)
        {
            if (!image.Brokers.Values.Any(broker => broker.Id != _brokerId && broker is { Fenced: false, InControlledShutdown: false }))
            {
                alone.TrySetResult();
            }
        }
    }

    /// <summary>Takes part again after <see cref="LeaveAsync"/>, without a restart.</summary>
    public Task<bool> ReturnAsync(TimeSpan timeout) => AskUntilAsync(wantShutDown: false, response => !response.IsFenced, timeout, Never);

    /// <param name="inVain">Completes when there is nothing to be asked for any more.</param>
    private async Task<bool> AskUntilAsync(bool wantShutDown, Func<BrokerHeartbeatResponse, bool> isDone, TimeSpan timeout, Task inVain)
    {
        var began = _time.GetTimestamp();
        while (Epoch >= 0 && !inVain.IsCompleted && timeout - _time.GetElapsedTime(began) is var left && left > TimeSpan.Zero)
        {
            var beat = new BrokerHeartbeatRequest { BrokerId = _brokerId, BrokerEpoch = Epoch, CurrentMetadataOffset = _metadata.Current.Offset, WantShutDown = wantShutDown };
            var answer = TryAskAsync<BrokerHeartbeatResponse>(beat, left < RequestTimeout ? left : RequestTimeout);
            if (await Task.WhenAny(answer, inVain) == answer && await answer is { } response && (response.ErrorCode != ErrorCode.None || isDone(response)))
            {
                return response.ErrorCode == ErrorCode.None;
            }

            await Task.WhenAny(Task.Delay(Pause, _time), inVain);
        }

        return false;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running;
        _stopping.Dispose();
    }

    private async Task StayInAsync()
    {
        try
        {
            await foreach (var _ in _changes.Reader.ReadAllAsync(_stopping.Token))
            {
                await LookAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    private async Task LookAsync()
    {
        var image = _metadata.Current;
        if (!image.Brokers.TryGetValue(_brokerId, out var self) || self.Epoch < Epoch)
        {
            // This node's image is from before the registration.
            return;
        }

        if (self.Epoch > Epoch)
        {
            _failed($"Another process has registered as node {_brokerId}. Give every node an id of its own with --node-id.");
            return;
        }

        var (offline, cordoned) = (_offlineDirectories(), _cordonedDirectories(image));
        var untold = offline.FirstOrDefault(directory => self.LogDirectories.Contains(directory.Identity.DirectoryId));
        if (TimeToTell(untold) is var left && left <= TimeSpan.Zero)
        {
            return;
        }

        if (!self.Fenced)
        {
            _unfenced.TrySetResult();
            if (untold is null && self.CordonedDirectories.ToHashSet().SetEquals(cordoned))
            {
                return;
            }
        }

        var beat = new BrokerHeartbeatRequest
        {
            BrokerId = _brokerId,
            BrokerEpoch = Epoch,
            CurrentMetadataOffset = image.Offset,
            OfflineLogDirs = [.. offline.Select(directory => directory.Identity.DirectoryId)],
            CordonedLogDirs = [.. cordoned],
        };
        if (await TryAskAsync<BrokerHeartbeatResponse>(beat, left) is not { ErrorCode: ErrorCode.None, IsFenced: false })
        {
            await Task.Delay(Pause, _time, _stopping.Token);
            _changes.Writer.TryWrite(true);
        }
    }

    /// <summary>
    /// How long the controller may still be asked. Nobody else leads what lies in a failed directory until it knows; when it cannot be told
    /// for too long, this broker ends, which the others see without being told.
    /// </summary>
    /// <param name="untold">A failed directory that the controller takes for well; null where there is none.</param>
    private TimeSpan TimeToTell(LogDirectory? untold)
    {
        if (untold is null)
        {
            _untoldSince = null;
            return RequestTimeout;
        }

        _untoldSince ??= _time.GetTimestamp();
        var left = _tellWithin - _time.GetElapsedTime(_untoldSince.Value);
        if (left <= TimeSpan.Zero)
        {
            _failed(
                $"The disk under {untold.FullPath} failed, and the controller could not be told so within {_tellWithin.TotalMilliseconds:0} ms (log.dir.failure.timeout.ms): until it knows, "
                + "no other node leads what lies there. Mend the disk, or the way to the controller, and start the node again.");
        }

        return left < RequestTimeout ? left : RequestTimeout;
    }

    /// <returns>Null where there was no answer, for whatever may be over soon.</returns>
    private async Task<TResponse?> TryAskAsync<TResponse>(IRequestMessage request, TimeSpan? timeout = null)
        where TResponse : class, IResponseMessage
    {
        try
        {
            return await _controller.AskAsync<TResponse>(request, timeout ?? RequestTimeout);
        }
        catch (Exception e) when (ControllerClient.IsNoAnswer(e))
        {
            NodeLog.NoController(_logger, request.GetType().Name, e.Message);
            return null;
        }
    }

    private static string Explain(BrokerRegistrationRequest request, ErrorCode error) => error switch
    {
        ErrorCode.DuplicateBrokerRegistration => $"Node {request.BrokerId} is in this cluster already, and lives. Give every node an id of its own with --node-id.",
        ErrorCode.InconsistentClusterId => $"This node's data belongs to the cluster '{request.ClusterId}', and the controller to another one. Check --join and --data.",
        ErrorCode.InvalidRegistration =>
            $"The log directories of node {request.BrokerId} are new, and what it held was the only complete copy of some partitions. Start it with its old ones; "
            + "or, if they are lost, elect other replicas uncleanly (leader election) and start it again.",
        ErrorCode.UnsupportedVersion => "The cluster works at a feature level that this version of Milena does not know. Start it with the version that the others run.",
        _ => $"The controller refused this broker: {error}.",
    };
}
