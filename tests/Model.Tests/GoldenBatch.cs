using System.Text.Json;
using System.Text.Json.Serialization;

namespace Milena.Model.Tests;

/// <summary>One line of Reference/batches.jsonl: a batch that the reference's library wrote, and what is in it.</summary>
public sealed record GoldenBatch(
    string Name,
    long BaseOffset,
    long LastOffset,
    int LeaderEpoch,
    uint Crc,
    long ProducerId,
    short ProducerEpoch,
    int BaseSequence,
    long MaxTimestamp,
    string TimestampType,
    bool Transactional,
    bool Control,
    IReadOnlyList<GoldenRecord> Records,
    string Hex)
{
    [JsonIgnore]
    public byte[] Bytes => Convert.FromHexString(Hex);

    public static IReadOnlyList<GoldenBatch> All { get; } =
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Reference", "batches.jsonl"))
            .Where(line => line.Length > 0)
            .Select(line => JsonSerializer.Deserialize<GoldenBatch>(line, JsonSerializerOptions.Web)!)
            .ToList();

    public static TheoryData<string> Names() => new(All.Select(batch => batch.Name));

    public static GoldenBatch Named(string name) => All.Single(batch => batch.Name == name);

    public override string ToString() => Name;
}

public sealed record GoldenRecord(long Offset, long Timestamp, byte[]? Key, byte[]? Value, IReadOnlyList<string?[]> Headers)
{
    /// <summary>In the file a header is a pair: key, and value as base64 or null.</summary>
    public List<KeyValuePair<string, byte[]?>> ReadHeaders() =>
        Headers.Select(pair => KeyValuePair.Create(pair[0]!, pair[1] is { } value ? Convert.FromBase64String(value) : null)).ToList();
}
