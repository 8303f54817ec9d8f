namespace Milena.Metadata.Quorum;

/// <summary>The votes of one election, or of the pre-vote that asks whether one would be won (KIP-996).</summary>
internal sealed class Ballot
{
    private readonly Dictionary<ReplicaKey, bool> _votes = [];
    private readonly HashSet<ReplicaKey> _silent = [];
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

    /// <summary>The voter was not reached, this time.</summary>
    public void RecordSilence(ReplicaKey voter) => _silent.Add(voter);

    /// <summary>Only the votes of those who are voters count, whoever was asked.</summary>
    public bool IsWon(VoterSet voters) => Count(voters, granted: true) >= voters.Majority;

    public bool IsLost(VoterSet voters) => Count(voters, granted: false) > voters.Count - voters.Majority;

    /// <summary>Somebody refused, and nobody is left who could be expected to answer: two candidates met, and the rest is down.</summary>
    public bool IsStuck(VoterSet voters) =>
        Count(voters, granted: false) > 0 && voters.All.All(voter => HasVoted(voter.Key) || _silent.Contains(voter.Key));

    private int Count(VoterSet voters, bool granted) => _votes.Count(vote => vote.Value == granted && voters.Contains(vote.Key));
}
