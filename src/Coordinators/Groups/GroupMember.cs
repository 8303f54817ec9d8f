namespace Milena.Coordinators.Groups;

/// <summary>One assignor that a member offers, with the bytes that it would have the leader see.</summary>
internal readonly record struct GroupProtocol(string Name, ReadOnlyMemory<byte> Metadata)
{
    public bool Matches(in GroupProtocol other) => Name == other.Name && Metadata.Span.SequenceEqual(other.Metadata.Span);
}

/// <summary>A member of a classic group. Its byte arrays are its own, never a request's buffer.</summary>
internal sealed class GroupMember(string id, string? instanceId, string clientId, string clientHost)
{
    public string Id { get; } = id;

    /// <summary>Null for a dynamic member.</summary>
    public string? InstanceId { get; } = instanceId;

    public string ClientId { get; } = clientId;

    public string ClientHost { get; } = clientHost;

    public int RebalanceTimeoutMs { get; set; }

    public int SessionTimeoutMs { get; set; }

    /// <summary>In the member's order of preference.</summary>
    public IReadOnlyList<GroupProtocol> Protocols { get; set; } = [];

    public ReadOnlyMemory<byte> Assignment { get; set; }

    /// <summary>Has not been answered a JoinGroup yet, so it cannot send heartbeats.</summary>
    public bool IsNew { get; set; }

    /// <summary>Set through <see cref="Group.SetAwaitingJoin"/>, which counts.</summary>
    public Waiting? AwaitingJoin { get; internal set; }

    public Waiting? AwaitingSync { get; set; }

    /// <summary>When the member is given up, unless it is heard of before.</summary>
    public DateTimeOffset Deadline { get; set; }

    /// <summary>When the timer that is set for it fires, which may be earlier than the deadline: heartbeats move only the deadline.</summary>
    public DateTimeOffset? TimerDue { get; set; }

    /// <summary>A member that waits for an answer cannot send heartbeats; a new one is given up all the same, for its client may be gone.</summary>
    public bool IsExcused => !IsNew && (AwaitingJoin is not null || AwaitingSync is not null);

    public bool Offers(IReadOnlyList<GroupProtocol> protocols)
    {
        if (protocols.Count != Protocols.Count)
        {
            return false;
        }

        for (var index = 0; index < protocols.Count; index++)
        {
            if (!protocols[index].Matches(Protocols[index]))
            {
                return false;
            }
        }

        return true;
    }

    public ReadOnlyMemory<byte> MetadataFor(string? protocolName)
    {
        foreach (var protocol in Protocols)
        {
            if (protocol.Name == protocolName)
            {
                return protocol.Metadata;
            }
        }

        return ReadOnlyMemory<byte>.Empty;
    }
}
