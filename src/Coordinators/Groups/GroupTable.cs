using System.Diagnostics.CodeAnalysis;

namespace Milena.Coordinators.Groups;

/// <summary>The groups of one partition of the offsets topic, by id.</summary>
internal sealed class GroupTable
{
    private readonly Dictionary<string, Group> _groups = new(StringComparer.Ordinal);

    public IReadOnlyCollection<Group> All => _groups.Values;

    public bool TryGet(string groupId, [NotNullWhen(true)] out Group? group) => _groups.TryGetValue(groupId, out group);

    public void Set(Group group) => _groups[group.Id] = group;

    public void Remove(string groupId) => _groups.Remove(groupId);
}
