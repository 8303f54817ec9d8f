using System.Collections.Immutable;
using Milena.Model;

namespace Milena.Replication;

/// <summary>The in-sync replicas that a leader asks the controller for.</summary>
/// <param name="PartitionEpoch">What the proposal rests on: the controller refuses it when the partition has changed since.</param>
public sealed record IsrProposal(int LeaderEpoch, int PartitionEpoch, ImmutableArray<IsrMember> Isr);

/// <param name="BrokerEpoch">The incarnation that was found in sync; -1 where that does not matter.</param>
public readonly record struct IsrMember(int BrokerId, long BrokerEpoch);

/// <summary>What the controller said to a proposal.</summary>
/// <param name="Isr">The committed in-sync replicas after it; empty with an error.</param>
public sealed record IsrAnswer(ErrorCode Error, int LeaderEpoch, int PartitionEpoch, ImmutableArray<int> Isr);
