using System.Diagnostics;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>What all writers and readers of a campaign share.</summary>
/// <param name="Acks">1: without idempotence, which Kafka's clients allow with all only. All: -1.</param>
/// <param name="Rate">Records a second, of all writers together.</param>
/// <param name="ValueBytes">Bytes of a record's value.</param>
/// <param name="Histories">Of each partition, by its number.</param>
/// <param name="Clock">Runs since the campaign began.</param>
/// <param name="OnWriterLine">Takes what the writers' clients say of sequences and epochs.</param>
/// <param name="OnGroupLine">Takes what the consumers' clients say of their groups; null: they are not asked to.</param>
public sealed record LoadSettings(
    string Bootstrap, string Topic, int Acks, int Writers, double Rate, int ValueBytes, IReadOnlyList<PartitionHistory> Histories, Stopwatch Clock, Action<string> Say, Action<string> OnWriterLine,
    Action<string>? OnGroupLine);
