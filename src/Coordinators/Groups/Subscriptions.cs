using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>Reads the one thing the broker has to know of the members' metadata: which topics a consumer group subscribes to.</summary>
internal static class Subscriptions
{
    /// <returns>Null where it cannot be known: other protocols than the consumer's, or metadata that is not a subscription.</returns>
    public static IReadOnlySet<string>? TopicsOf(Group group)
    {
        if (!group.UsesConsumerProtocol)
        {
            return null;
        }

        var topics = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in group.Members)
        {
            // The subscription's own version stands first. Version 0 is a prefix of all others, so newer clients can be read too.
            var reader = new ProtocolReader(member.MetadataFor(group.ProtocolName));
            reader.ReadInt16();
            if (!ConsumerProtocolSubscription.TryRead(ref reader, 0, out var subscription))
            {
                return null;
            }

            topics.UnionWith(subscription.Topics);
        }

        return topics;
    }
}
