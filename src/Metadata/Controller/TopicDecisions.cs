using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Creates topics: names, counts, assignments and settings are checked as Kafka checks them, then ids, leaders and epochs are given.</summary>
/// <remarks>Pure: reads the image, writes nothing. Topics that another topic of the same request refuses are still created.</remarks>
public static class CreateTopicsDecision
{
    public static Decision Decide(MetadataImage image, CreateTopicsRequest request, ControllerContext context)
    {
        var records = new List<IMessage>();
        var response = new CreateTopicsResponse();
        var repeated = request.Topics.GroupBy(topic => topic.Name).Where(group => group.Count() > 1).Select(group => group.Key).ToHashSet();
        // Only names with a dot or an underscore can collide, and a look at all names is dear in a large cluster.
        var collisionKeys = new Lazy<ILookup<string, string>>(() => image.TopicsByName.Keys.ToLookup(TopicNames.CollisionKey));
        var created = new Dictionary<string, string>();
        var partitions = 0;
        foreach (var topic in request.Topics.DistinctBy(topic => topic.Name))
        {
            var result = repeated.Contains(topic.Name)
                ? Refusal(topic.Name, ErrorCode.InvalidRequest, "Duplicate topic name.")
                : Create(image, topic, context, collisionKeys, created, partitions, request.ValidateOnly ? [] : records);
            partitions += Math.Max(0, result.NumPartitions);
            response.Topics.Add(result);
        }

        return new Decision(records, response);
    }

    private static CreateTopicsResponse.CreatableTopicResult Create(
        MetadataImage image,
        CreateTopicsRequest.CreatableTopic topic,
        ControllerContext context,
        Lazy<ILookup<string, string>> existing,
        Dictionary<string, string> created,
        int partitionsBefore,
        List<IMessage> records)
    {
        if (!TopicNames.TryValidate(topic.Name, out var wrongName))
        {
            return Refusal(topic.Name, ErrorCode.InvalidTopicException, wrongName);
        }

        if (image.FindTopic(topic.Name) is not null)
        {
            return Refusal(topic.Name, ErrorCode.TopicAlreadyExists, $"Topic '{topic.Name}' already exists.");
        }

        var key = TopicNames.CollisionKey(topic.Name);
        var rivals = key.Contains('_') ? existing.Value[key] : [];
        if ((rivals.FirstOrDefault() ?? created.GetValueOrDefault(key)) is { } rival)
        {
            return Refusal(topic.Name, ErrorCode.InvalidTopicException, $"Topic '{topic.Name}' collides with existing topic: {rival}");
        }

        if (CheckConfigs(topic) is { } wrongConfig)
        {
            return Refusal(topic.Name, ErrorCode.InvalidConfig, wrongConfig);
        }

        var (error, message) = Assign(image, topic, context, partitionsBefore, out var assignment);
        if (error != ErrorCode.None)
        {
            return Refusal(topic.Name, error, message);
        }

        var id = context.NewId();
        created[key] = topic.Name;
        records.Add(new TopicRecord { Name = topic.Name, TopicId = id });
        records.AddRange(topic.Configs.Select(config => new ConfigRecord
        {
            ResourceType = (sbyte)ConfigResourceType.Topic,
            ResourceName = topic.Name,
            Name = config.Name,
            Value = config.Value,
        }));
        records.AddRange(assignment.Select((replicas, index) => PartitionAssignment.NewPartition(image, id, index, replicas)));
        return new CreateTopicsResponse.CreatableTopicResult
        {
            Name = topic.Name,
            TopicId = id,
            NumPartitions = assignment.Length,
            ReplicationFactor = (short)assignment[0].Length,
        };
    }

    private static string? CheckConfigs(CreateTopicsRequest.CreatableTopic topic)
    {
        foreach (var config in topic.Configs)
        {
            if (TopicSettingRules.Check(config.Name, config.Value) is { } wrong)
            {
                return wrong;
            }
        }

        if (topic.Configs.GroupBy(config => config.Name).FirstOrDefault(group => group.Count() > 1) is { } repeated)
        {
            return $"Duplicate config key: {repeated.Key}";
        }

        return TopicSettingRules.CheckTogether(topic.Configs.ToDictionary(config => config.Name, config => config.Value!));
    }

    private static (ErrorCode Error, string Message) Assign(
        MetadataImage image, CreateTopicsRequest.CreatableTopic topic, ControllerContext context, int partitionsBefore,
        out ImmutableArray<ImmutableArray<int>> assignment)
    {
        assignment = [];
        if (topic.Assignments.Count > 0)
        {
            if (topic.ReplicationFactor != -1)
            {
                return (ErrorCode.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.");
            }

            if (topic.NumPartitions != -1)
            {
                return (ErrorCode.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.");
            }

            return PartitionAssignment.CheckCount(topic.Assignments.Count, partitionsBefore) is { } tooManyAssigned
                ? (ErrorCode.PolicyViolation, tooManyAssigned)
                : PartitionAssignment.TakeManual(image, topic.Assignments, out assignment);
        }

        if (topic.ReplicationFactor is < -1 or 0)
        {
            return (ErrorCode.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.");
        }

        if (topic.NumPartitions is < -1 or 0)
        {
            return (ErrorCode.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.");
        }

        var partitions = topic.NumPartitions == -1 ? context.DefaultPartitions : topic.NumPartitions;
        var replicationFactor = topic.ReplicationFactor == -1 ? context.DefaultReplicationFactor : topic.ReplicationFactor;
        return PartitionAssignment.CheckCount(partitions, partitionsBefore) is { } tooMany
            ? (ErrorCode.PolicyViolation, tooMany)
            : PartitionAssignment.PlaceNew(image, partitions, replicationFactor, context, out assignment);
    }

    private static CreateTopicsResponse.CreatableTopicResult Refusal(string name, ErrorCode error, string message) =>
        new() { Name = name, ErrorCode = error, ErrorMessage = ErrorText.Clip(message) };
}

/// <summary>Deletes topics by name or id. The replicas' files go when the brokers see the committed record.</summary>
public static class DeleteTopicsDecision
{
    /// <param name="request">In the form of version 6: one state per topic, a name or an id in each.</param>
    public static Decision Decide(MetadataImage image, DeleteTopicsRequest request)
    {
        var records = new List<IMessage>();
        var response = new DeleteTopicsResponse();
        var removed = new HashSet<Guid>();
        foreach (var same in request.Topics.GroupBy(wanted => (wanted.Name, wanted.TopicId)))
        {
            var wanted = same.First();
            if (same.Count() > 1)
            {
                response.Responses.Add(new() { Name = wanted.Name, TopicId = wanted.TopicId, ErrorCode = ErrorCode.InvalidRequest, ErrorMessage = "Duplicate topic." });
                continue;
            }

            var topic = wanted.Name is not null ? image.FindTopic(wanted.Name) : image.FindTopic(wanted.TopicId);
            var result = new DeleteTopicsResponse.DeletableTopicResult { Name = topic?.Name ?? wanted.Name, TopicId = topic?.Id ?? wanted.TopicId };
            if (topic is null)
            {
                (result.ErrorCode, result.ErrorMessage) = wanted.Name is not null
                    ? (ErrorCode.UnknownTopicOrPartition, "This server does not host this topic-partition.")
                    : (ErrorCode.UnknownTopicId, "This server does not host this topic ID.");
            }
            else if (removed.Add(topic.Id))
            {
                records.Add(new RemoveTopicRecord { TopicId = topic.Id });
            }

            response.Responses.Add(result);
        }

        return new Decision(records, response);
    }
}

/// <summary>Adds partitions to topics; a count never goes down.</summary>
public static class CreatePartitionsDecision
{
    public static Decision Decide(MetadataImage image, CreatePartitionsRequest request, ControllerContext context)
    {
        var response = new CreatePartitionsResponse();
        var repeated = request.Topics.GroupBy(topic => topic.Name).Where(group => group.Count() > 1).Select(group => group.Key).ToHashSet();
        var added = new List<IMessage>();
        foreach (var topic in request.Topics.DistinctBy(topic => topic.Name))
        {
            var (error, message) = repeated.Contains(topic.Name) ? (ErrorCode.InvalidRequest, "Duplicate topic name.") : Grow(image, topic, context, added);
            response.Results.Add(new() { Name = topic.Name, ErrorCode = error, ErrorMessage = error == ErrorCode.None ? null : ErrorText.Clip(message) });
        }

        return new Decision(request.ValidateOnly ? [] : added, response);
    }

    private static (ErrorCode Error, string Message) Grow(
        MetadataImage image, CreatePartitionsRequest.CreatePartitionsTopic request, ControllerContext context, List<IMessage> records)
    {
        if (image.FindTopic(request.Name) is not { } topic)
        {
            return (ErrorCode.UnknownTopicOrPartition, "This server does not host this topic-partition.");
        }

        var current = topic.Partitions.Length;
        if (request.Count <= current)
        {
            return (ErrorCode.InvalidPartitions, request.Count == current
                ? $"Topic already has {current} partition(s)."
                : $"The topic {request.Name} currently has {current} partition(s); {request.Count} would not be an increase.");
        }

        var additional = request.Count - current;
        if (PartitionAssignment.CheckCount(additional, records.Count) is { } tooMany)
        {
            return (ErrorCode.PolicyViolation, tooMany);
        }

        var replicationFactor = topic.Partitions[0].Replicas.Length;
        ImmutableArray<ImmutableArray<int>> assignment;
        ErrorCode error;
        string message;
        if (request.Assignments is { } manual)
        {
            if (manual.Count != additional)
            {
                return (ErrorCode.InvalidReplicaAssignment,
                    $"Attempted to add {additional} additional partition(s), but only {manual.Count} assignment(s) were specified.");
            }

            (error, message) = PartitionAssignment.TakeManual(image, [.. manual.Select(one => one.BrokerIds)], replicationFactor, out assignment);
        }
        else
        {
            (error, message) = PartitionAssignment.PlaceNew(image, additional, replicationFactor, context, out assignment);
        }

        if (error == ErrorCode.None)
        {
            records.AddRange(assignment.Select((replicas, index) => PartitionAssignment.NewPartition(image, topic.Id, current + index, replicas)));
        }

        return (error, message);
    }
}
