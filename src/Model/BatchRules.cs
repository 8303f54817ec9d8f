namespace Milena.Model;

/// <summary>What a topic's settings and the sender's role demand of a batch.</summary>
public readonly record struct BatchRules()
{
    /// <summary><c>max.message.bytes</c>, header included; also checked after recompression.</summary>
    public int MaxMessageBytes { get; init; } = int.MaxValue;

    /// <summary>The topic is compacted, so that every record needs a key.</summary>
    public bool Compacted { get; init; }
    public TimestampType TimestampType { get; init; }

    /// <summary>UTC milliseconds; the broker's clock when the request came.</summary>
    public required long NowMs { get; init; }
    public long TimestampBeforeMaxMs { get; init; } = long.MaxValue;
    public long TimestampAfterMaxMs { get; init; } = 3_600_000;

    /// <summary>The topic's <c>compression.type</c>; null is <c>producer</c>, which keeps the sender's.</summary>
    public CompressionCodec? TargetCodec { get; init; }

    /// <summary>Null is the target codec's default.</summary>
    public int? CompressionLevel { get; init; }

    /// <summary>Coordinators write control batches and their own sequences; clients may not.</summary>
    public bool FromCoordinator { get; init; }

    /// <summary>Bytes that a compressed batch may unpack to; 0 is <see cref="Compression.DecompressedBound"/>.</summary>
    public int MaxDecompressedBytes { get; init; }
}

/// <summary>One refused record of a batch, for Produce v8 and up (KIP-467).</summary>
public readonly record struct RecordError(int BatchIndex, string Message);

/// <summary>What <see cref="BatchValidator"/> found.</summary>
public readonly struct BatchValidation
{
    public ErrorCode Error { get; init; }

    /// <summary>A sentence for the client; null without an error.</summary>
    public string? Message { get; init; }

    /// <summary>Null unless single records are to blame.</summary>
    public IReadOnlyList<RecordError>? RecordErrors { get; init; }
    public long MaxTimestamp { get; init; }

    /// <summary>Of the first record with the maximum timestamp; the last record's for LogAppendTime.</summary>
    public int OffsetDeltaOfMaxTimestamp { get; init; }
    public int RecordCount { get; init; }

    /// <summary>The batch to store instead, when it was recompressed. The receiver disposes it.</summary>
    public PooledBytes? Replacement { get; init; }

    public bool IsValid => Error == ErrorCode.None;
}
