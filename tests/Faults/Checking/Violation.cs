namespace Milena.Faults.Checking;

/// <summary>What must not happen to records.</summary>
public enum ViolationKind
{
    /// <summary>An acknowledged record, or one that somebody read, is not there at the end on some replica.</summary>
    Lost,

    /// <summary>A value lies at two offsets.</summary>
    Duplicated,

    /// <summary>A writer's values do not ascend with the offsets.</summary>
    Reordered,

    /// <summary>An offset showed two values.</summary>
    OffsetReused,

    /// <summary>A reader went past a record without seeing it.</summary>
    Missed,

    /// <summary>A reader was told that the offset it had come to does not exist.</summary>
    ThrownBack,

    /// <summary>Two replicas hold different bytes at the end.</summary>
    ReplicasDiffer,

    /// <summary>What a group committed is not committed any more, or something else is that it never committed.</summary>
    CommitLost,

    /// <summary>A leader or the controller changed though nobody did anything to it.</summary>
    FalseAlarm,
}

/// <param name="At">When the record concerned was acknowledged or read, since the campaign began; at the end where it was neither.</param>
/// <param name="Text">Which record, where, and what was there instead.</param>
/// <param name="Partition">-1 where it is of none.</param>
public sealed record Violation(ViolationKind Kind, int Partition, TimeSpan At, string Text)
{
    public override string ToString() => $"{Kind}{(Partition < 0 ? "" : $" in partition {Partition}")} at {At.TotalSeconds:F1} s: {Text}";
}
