namespace Milena.Metadata.Quorum;

/// <summary>The votes of one election, or of the pre-vote that asks whether one would be won (KIP-996).</summary>
internal sealed class Ballot
{
    private readonly Dictionary<ReplicaKey, bool> _votes = [];
    private readonly Dictionary<ReplicaKey, RequestSlot> _slots = [];

    public IEnumerable<ReplicaKey> Granting => _votes.Where(vote => vote.Value).Select(vote => vote.Key);

    public RequestSlot SlotOf(ReplicaKey voter)
    {
        if (!_slots.TryGetValue(voter, out var slot))
        {
            _slots.Add(voter, slot = new RequestSlot());
        }

        return slot;
    }

    public bool HasVoted(ReplicaKey voter) => _votes.ContainsKey(voter);

    public void Record(ReplicaKey voter, bool granted) => _votes[voter] = granted;

    /// <summary>Only the votes of those who are voters count, whoever was asked.</summary>
    public bool IsWon(VoterSet voters) => Count(voters, granted: true) >= voters.Majority;

    public bool IsLost(VoterSet voters) => Count(voters, granted: false) > voters.Count - voters.Majority;

    private int Count(VoterSet voters, bool granted) => _votes.Count(vote => vote.Value == granted && voters.Contains(vote.Key));
}
