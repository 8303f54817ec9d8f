using System.Collections.Immutable;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Takes a broker into the cluster, or a new incarnation of one that was there before. It is fenced until it says that it has caught up.</summary>
public static class RegisterBrokerDecision
{
    /// <param name="nextOffset">The metadata offset that the registration will have; it becomes the broker's epoch.</param>
    /// <param name="clusterId">The cluster's own id: a broker that carries another one was formatted for another cluster.</param>
    public static Decision Decide(MetadataImage image, BrokerRegistrationRequest request, ControllerContext context, long nextOffset, string clusterId)
    {
        if (Refusal(image, request, context, clusterId) is var refusal and not ErrorCode.None)
        {
            return Decision.Refuse(new BrokerRegistrationResponse { ErrorCode = refusal });
        }

        var records = new List<IMessage> { Registration(request, nextOffset) };
        if (image.Features.IsEmpty)
        {
            // The cluster begins at the highest levels. Later ones are for its operator to take (UpdateFeatures), once all brokers know them.
            records.AddRange(UpdateFeaturesDecision.OfNewCluster(image, context));
        }

        // The incarnation before led until now, for all the image knows; and one that did not close its logs may lack records that it acknowledged.
        var changes = context.Changes(image, id => id != request.BrokerId);
        records.AddRange(LeftCleanly(image, request) ? changes.BrokerLeft(request.BrokerId) : changes.BrokerLostRecords(request.BrokerId));
        return new Decision(records, new BrokerRegistrationResponse { BrokerEpoch = nextOffset });
    }

    /// <summary>The last incarnation that the cluster knows of closed all its logs, none has run since, and no directory has gone with what it held.</summary>
    private static bool LeftCleanly(MetadataImage image, BrokerRegistrationRequest request) =>
        image.Brokers.TryGetValue(request.BrokerId, out var before)
        && before.Epoch == request.PreviousBrokerEpoch
        && before.LogDirectories.All(request.LogDirs.Contains);

    private static ErrorCode Refusal(MetadataImage image, BrokerRegistrationRequest request, ControllerContext context, string clusterId)
    {
        if (request.ClusterId != clusterId)
        {
            return ErrorCode.InconsistentClusterId;
        }

        if (image.Features.Any(feature => !Supports(request, feature.Key, feature.Value)))
        {
            return ErrorCode.UnsupportedVersion;
        }

        if (!image.Brokers.TryGetValue(request.BrokerId, out var before))
        {
            return ErrorCode.None;
        }

        if (IsAnother(before, request) && context.IsReachable?.Invoke(before) == true)
        {
            return ErrorCode.DuplicateBrokerRegistration;
        }

        return LostItsDisks(before, request) && IsLastHolderAmongOthers(image, request.BrokerId) ? ErrorCode.InvalidRegistration : ErrorCode.None;
    }

    private static bool LostItsDisks(BrokerRegistration before, BrokerRegistrationRequest request) =>
        before.LogDirectories.Length > 0 && !before.LogDirectories.Any(request.LogDirs.Contains);

    /// <summary>
    /// An emptied broker that is the last who has everything would be elected, and would have the others cut what they still hold. Who has
    /// really lost its disks may be forgotten first (UnregisterBroker), or another replica be elected uncleanly.
    /// </summary>
    private static bool IsLastHolderAmongOthers(MetadataImage image, int brokerId) => image.TopicsById.Values.Any(
        topic => topic.Partitions.Any(partition => partition.Replicas.Length > 1 && EligibleLeaders.Holders(partition) is [var last] && last == brokerId));

    private static bool Supports(BrokerRegistrationRequest request, string feature, short level) =>
        request.Features.Any(one => one.Name == feature && one.MinSupportedVersion <= level && level <= one.MaxSupportedVersion);

    /// <summary>A process that listens for the cluster where the one before did has taken its place: two cannot hold the same port.</summary>
    private static bool IsAnother(BrokerRegistration before, BrokerRegistrationRequest request)
    {
        var address = request.Listeners.Find(listener => listener.Name == BrokerEndPoint.ClusterListener);
        return before.IncarnationId != request.IncarnationId
            && before.EndPoint(BrokerEndPoint.ClusterListener) is { } held
            && (held.Host, held.Port) != (address?.Host, address?.Port);
    }

    private static RegisterBrokerRecord Registration(BrokerRegistrationRequest request, long epoch) => new()
    {
        BrokerId = request.BrokerId,
        IncarnationId = request.IncarnationId,
        BrokerEpoch = epoch,
        EndPoints = [.. request.Listeners.Select(listener => new RegisterBrokerRecord.BrokerEndpoint
        {
            Name = listener.Name,
            Host = listener.Host,
            Port = listener.Port,
            SecurityProtocol = listener.SecurityProtocol,
        })],
        Features = [.. request.Features.Select(feature => new RegisterBrokerRecord.BrokerFeature
        {
            Name = feature.Name,
            MinSupportedVersion = feature.MinSupportedVersion,
            MaxSupportedVersion = feature.MaxSupportedVersion,
        })],
        Rack = request.Rack,
        LogDirs = [.. request.LogDirs],
        Fenced = true,
    };
}

/// <summary>Lets a broker in that has caught up, takes one out that is away or wants to be, and empties one that shuts down.</summary>
/// <remarks>
/// Kafka's brokers beat all the time, and are fenced when they stop. Here the Akka cluster watches them, and a beat says only what changes:
/// that a broker is ready, that it leaves, that some of its log directories are offline, or cordoned, or, from whoever watches, that it is away
/// (<c>WantFence</c>).
/// </remarks>
public static class BrokerHeartbeatDecision
{
    public static Decision Decide(MetadataImage image, BrokerHeartbeatRequest request, ControllerContext context)
    {
        if (!image.Brokers.TryGetValue(request.BrokerId, out var broker) || broker.Epoch != request.BrokerEpoch)
        {
            return Decision.Refuse(new BrokerHeartbeatResponse { ErrorCode = ErrorCode.StaleBrokerEpoch });
        }

        var decision = Decide(image, broker, request, context);
        return decision with { Records = [.. Cordon(image, broker, request.CordonedLogDirs), .. decision.Records] };
    }

    private static Decision Decide(MetadataImage image, BrokerRegistration broker, BrokerHeartbeatRequest request, ControllerContext context)
    {
        var caughtUp = request.CurrentMetadataOffset >= broker.Epoch;
        if (broker.LogDirectories.Any(request.OfflineLogDirs.Contains))
        {
            return DirectoriesFailed(image, broker, request.OfflineLogDirs, caughtUp, context);
        }

        if (request.WantShutDown)
        {
            return new Decision(Leave(image, broker, context), new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = broker.Fenced, ShouldShutDown = true });
        }

        if (request.WantFence)
        {
            return new Decision(Fence(image, broker, context), new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = true });
        }

        if (broker is { Fenced: false, InControlledShutdown: true })
        {
            return new Decision(Return(image, broker, context), new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = false });
        }

        return broker.Fenced && caughtUp && context.IsReachable?.Invoke(broker) != false
            ? new Decision(Unfence(image, broker, context), new BrokerHeartbeatResponse { IsCaughtUp = true, IsFenced = false })
            : Decision.Refuse(new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = broker.Fenced });
    }

    /// <param name="cordoned">Null where the beat says nothing of it.</param>
    private static IEnumerable<IMessage> Cordon(MetadataImage image, BrokerRegistration broker, List<Guid>? cordoned) =>
        cordoned is null || !Features.CordonsDirectories(image) || broker.CordonedDirectories.ToHashSet().SetEquals(cordoned)
            ? []
            : [new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, CordonedLogDirs = cordoned }];

    /// <summary>What else the beat asks for has to wait: the broker asks again when it sees this.</summary>
    private static Decision DirectoriesFailed(MetadataImage image, BrokerRegistration broker, List<Guid> offline, bool caughtUp, ControllerContext context)
    {
        ImmutableArray<Guid> online = [.. broker.LogDirectories.Where(directory => !offline.Contains(directory))];
        if (online.IsEmpty)
        {
            // It has nothing left to serve, and is on its way out.
            return new Decision(Fence(image, broker, context), new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = true });
        }

        var without = image with { Brokers = image.Brokers.SetItem(broker.Id, broker with { LogDirectories = online }) };
        return new Decision(
            [
                new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, LogDirs = [.. online] },
                .. context.Changes(without, _ => true).DirectoriesFailed(broker.Id),
            ],
            new BrokerHeartbeatResponse { IsCaughtUp = caughtUp, IsFenced = broker.Fenced });
    }

    private static List<IMessage> Fence(MetadataImage image, BrokerRegistration broker, ControllerContext context) => broker.Fenced
        ? []
        :
        [
            new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, Fenced = 1 },
            .. context.Changes(image, id => id != broker.Id).BrokerLeft(broker.Id),
        ];

    private static List<IMessage> Unfence(MetadataImage image, BrokerRegistration broker, ControllerContext context)
    {
        var unfenced = image with { Brokers = image.Brokers.SetItem(broker.Id, broker with { Fenced = false }) };
        return
        [
            new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, Fenced = -1 },
            .. context.Changes(unfenced, _ => true).BrokerCame(broker.Id),
        ];
    }

    /// <summary>A broker that was emptied, and goes on after all, may be in sync and lead again.</summary>
    private static List<IMessage> Return(MetadataImage image, BrokerRegistration broker, ControllerContext context)
    {
        var returned = image with { Brokers = image.Brokers.SetItem(broker.Id, broker with { InControlledShutdown = false }) };
        return
        [
            new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, InControlledShutdown = -1 },
            .. context.Changes(returned, _ => true).BrokerCame(broker.Id),
        ];
    }

    /// <summary>The others lead before it goes, so that nobody has to wait until its absence is noticed.</summary>
    private static List<IMessage> Leave(MetadataImage image, BrokerRegistration broker, ControllerContext context) => broker.InControlledShutdown
        ? []
        :
        [
            new BrokerRegistrationChangeRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, InControlledShutdown = 1 },
            .. context.Changes(image, id => id != broker.Id).BrokerLeft(broker.Id),
        ];
}

/// <summary>Forgets a broker for good; its replicas stay assigned to it until they are moved.</summary>
public static class UnregisterBrokerDecision
{
    public static Decision Decide(MetadataImage image, UnregisterBrokerRequest request, ControllerContext context) =>
        image.Brokers.TryGetValue(request.BrokerId, out var broker)
            ? new Decision(
                [
                    .. context.Changes(image, id => id != broker.Id).BrokerLostRecords(broker.Id),
                    new UnregisterBrokerRecord { BrokerId = broker.Id, BrokerEpoch = broker.Epoch },
                    .. BalancerSettings.IsLeaving(image, broker.Id) ? [Stays(broker.Id)] : Array.Empty<IMessage>(),
                ],
                new UnregisterBrokerResponse())
            : Decision.Refuse(new UnregisterBrokerResponse
            {
                ErrorCode = ErrorCode.BrokerIdNotRegistered,
                ErrorMessage = $"Broker ID {request.BrokerId} is not currently registered",
            });

    /// <summary>Another machine that gets the id later is not to be emptied.</summary>
    private static ConfigRecord Stays(int brokerId)
    {
        var target = ConfigResource.Broker(brokerId);
        return new ConfigRecord { ResourceType = (sbyte)target.Type, ResourceName = target.Name, Name = OwnBrokerSettings.Decommission, Value = null };
    }
}
