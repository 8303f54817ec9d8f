using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>The answers to JoinGroup and SyncGroup, which may be given long after the request.</summary>
internal static class GroupAnswers
{
    /// <summary>From this version on a JoinGroup without a member id is answered with one, to be used in a second request (KIP-394).</summary>
    public const short JoinRequiresMemberId = 4;

    private const short JoinProtocolNameIsNullable = 7;

    /// <summary>From this version on the leader can be told not to assign (KIP-814).</summary>
    public const short JoinCanSkipAssignment = 9;

    /// <summary>There is no protocol to name: null where the version allows it, else empty.</summary>
    public static void JoinFailed(this in Step step, Waiting waiting, string memberId, ErrorCode error) =>
        step.Effects.Reply(waiting.ReplyTo, new JoinGroupResponse
        {
            ErrorCode = error,
            MemberId = memberId,
            ProtocolName = waiting.ApiVersion >= JoinProtocolNameIsNullable ? null : "",
        });

    /// <summary>The generation as this member sees it; only the leader sees the others.</summary>
    public static void Joined(this in Step step, Waiting waiting, Group group, GroupMember member)
    {
        var response = NewGeneration(waiting, group, member.Id, group.LeaderId ?? "");
        if (group.IsLeader(member))
        {
            AddMembers(response, group);
        }

        step.Effects.Reply(waiting.ReplyTo, response);
    }

    /// <summary>
    /// A static member came back and nothing changes. A leader must not assign again: it is told so where the version allows it, and else
    /// that its former id leads, so that it takes itself for a follower.
    /// </summary>
    public static void JoinedAgain(this in Step step, Waiting waiting, Group group, GroupMember member, string? formerLeader)
    {
        if (waiting.ApiVersion < JoinCanSkipAssignment)
        {
            step.Effects.Reply(waiting.ReplyTo, NewGeneration(waiting, group, member.Id, formerLeader ?? ""));
            return;
        }

        var response = NewGeneration(waiting, group, member.Id, group.LeaderId ?? "");
        if (group.IsLeader(member))
        {
            response.SkipAssignment = true;
            AddMembers(response, group);
        }

        step.Effects.Reply(waiting.ReplyTo, response);
    }

    public static void SyncFailed(this in Step step, Waiting waiting, ErrorCode error) =>
        step.Effects.Reply(waiting.ReplyTo, new SyncGroupResponse { ErrorCode = error });

    public static void Synced(this in Step step, Waiting waiting, Group group, GroupMember member) =>
        step.Effects.Reply(waiting.ReplyTo, new SyncGroupResponse
        {
            ProtocolType = group.ProtocolType,
            ProtocolName = group.ProtocolName,
            Assignment = member.Assignment,
        });

    private static JoinGroupResponse NewGeneration(Waiting waiting, Group group, string memberId, string leader) => new()
    {
        GenerationId = group.Generation,
        ProtocolType = group.ProtocolType,
        ProtocolName = group.ProtocolName ?? (waiting.ApiVersion >= JoinProtocolNameIsNullable ? null : ""),
        Leader = leader,
        MemberId = memberId,
    };

    private static void AddMembers(JoinGroupResponse response, Group group)
    {
        foreach (var member in group.Members)
        {
            response.Members.Add(new JoinGroupResponse.JoinGroupResponseMember
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                Metadata = member.MetadataFor(group.ProtocolName),
            });
        }
    }
}
