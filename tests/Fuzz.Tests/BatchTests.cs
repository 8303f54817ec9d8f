using Milena.Model;

namespace Milena.Fuzz.Tests;

/// <summary>The produce path's first readers, against batches that are random, damaged, and damaged under a right CRC.</summary>
public sealed class BatchTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const long NowMs = 1_700_000_000_000;
    private const int CasesPerRun = 100;

    // What a refusal of single records costs: a sentence for each record, which takes seven bytes or more.
    private const int AllocatedAtLeast = 16 * 1024;
    private const int AllocatedPerByte = 64;

    [Fact]
    public void A_whole_batch_is_found_valid_and_stays_so() => Try("valid batch", random =>
    {
        var batch = RandomBatch(random);
        Assert.Equal(ErrorCode.None, ProducedRecords.FindBatch(batch, out var length, out _));
        Assert.Equal(batch.Length, length);
        var result = BatchValidator.Validate(batch, new BatchRules { NowMs = NowMs });
        using var replacement = result.Replacement;
        Assert.True(result.IsValid, result.Message);
    });

    [Fact]
    public void A_damaged_batch_never_throws_nor_allocates_without_bound() => Try("damaged batch", random =>
    {
        var batch = Damaged(RandomBatch(random), random);
        var rules = RandomRules(random);
        var isPlain = RecordBatchHeader.TryRead(batch, out var header) != ErrorCode.None || header.Codec == CompressionCodec.None;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = BatchValidator.Validate(batch, rules);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        using var replacement = result.Replacement;
        var bound = AllocatedAtLeast + ((long)AllocatedPerByte * batch.Length)
            + (isPlain && rules.TargetCodec is null ? 0 : 3L * Compression.DecompressedBound(batch.Length));
        Assert.True(allocated <= bound, $"{allocated} bytes allocated for {batch.Length}: {Convert.ToHexString(batch)}");
        if (result.IsValid)
        {
            AssertHolds(replacement is null ? batch : replacement.Span.ToArray(), result.RecordCount);
        }
        else
        {
            Assert.NotNull(result.Message);
        }
    });

    [Fact]
    public void A_records_field_is_split_or_refused() => Try("records field", random =>
    {
        byte[] records = [.. RandomBatch(random), .. random.Next(2) == 0 ? RandomBatch(random) : []];
        records = Damage.Apply(records, [], random);
        var error = ProducedRecords.FindBatch(records, out var length, out var message);
        Assert.InRange(length, 0, records.Length);
        Assert.True(error == ErrorCode.None ? length > 0 && message.Length == 0 : length == 0 && message.Length > 0, $"{error}, {length} bytes, '{message}'");
    });

    [Fact]
    public void Random_bytes_are_walked_as_records_without_an_exception_or_allocation() => Try("random records", random =>
    {
        var bytes = new byte[random.Next(200)];
        random.NextBytes(bytes);
        if (bytes.Length > 0 && random.Next(2) == 0)
        {
            // A first length that fits lets the walk go on inside the record.
            bytes[0] = (byte)(2 * Math.Min(63, bytes.Length - 1));
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var position = Walk(bytes);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(position, 0, bytes.Length);
        Assert.Equal(0, allocated);
        byte[] batch = [.. new byte[RecordBatchHeader.Size], .. bytes];
        EndTransactionMarker.TryRead(batch, out _);
    });

    private static int Walk(ReadOnlySpan<byte> bytes)
    {
        var reader = new RecordReader(bytes);
        while (reader.TryRead(out var record))
        {
            var headers = record.Headers;
            var count = 0;
            while (headers.TryRead(out _, out _, out _))
            {
                count++;
            }

            if (count != record.HeaderCount)
            {
                throw new InvalidDataException($"{record.HeaderCount} headers were accepted and {count} read");
            }
        }

        return reader.Position;
    }

    /// <summary>What was found valid is a batch that readers behind the log can read: its CRC, its header and every record.</summary>
    private static void AssertHolds(byte[] batch, int records)
    {
        Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(batch, out var header));
        Assert.Equal(RecordBatchHeader.ComputeCrc(batch), header.Crc);
        Assert.Equal(records, header.RecordCount);
        Assert.True(Compression.TryDecompress(
            header.Codec, batch.AsSpan(RecordBatchHeader.Size), Compression.DecompressedBound(batch.Length), out var plain, out var reason), reason);
        using (plain)
        {
            Assert.Equal(plain!.Length, Walk(plain.Span));
        }
    }

    private static byte[] RandomBatch(Random random)
    {
        var hasProducer = random.Next(2) == 0;
        using var builder = new RecordBatchBuilder
        {
            Codec = (CompressionCodec)random.Next(5),
            ProducerId = hasProducer ? random.Next(1000) : -1,
            ProducerEpoch = hasProducer ? (short)random.Next(10) : (short)-1,
            BaseSequence = hasProducer ? random.Next(1000) : -1,
            IsTransactional = hasProducer && random.Next(2) == 0,
        };
        for (var record = random.Next(1, 8); record > 0; record--)
        {
            builder.Add(NowMs - random.Next(1000), RandomBytes(random), RandomBytes(random), RandomHeaders(random));
        }

        return builder.Build();
    }

    private static byte[]? RandomBytes(Random random)
    {
        if (random.Next(4) == 0)
        {
            return null;
        }

        // Compressible and not: half the time one byte over and over.
        var bytes = new byte[random.Next(50)];
        if (random.Next(2) == 0)
        {
            random.NextBytes(bytes);
        }

        return bytes;
    }

    private static List<KeyValuePair<string, byte[]?>> RandomHeaders(Random random) =>
        [.. Enumerable.Range(0, Math.Max(0, random.Next(-3, 4))).Select(number => new KeyValuePair<string, byte[]?>($"h{number}", RandomBytes(random)))];

    /// <summary>Mostly the CRC is put right again, so that what stands behind it is reached.</summary>
    private static byte[] Damaged(byte[] batch, Random random)
    {
        var damaged = random.Next(3) == 0 ? Damage.Apply(batch, [], random) : DamagedBehindCrc(batch, random);
        if (damaged.Length >= RecordBatchHeader.Size && random.Next(10) > 0)
        {
            damaged[RecordBatchHeader.MagicAt] = RecordBatchHeader.CurrentMagic;
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(
                damaged.AsSpan(RecordBatchHeader.BatchLengthAt), damaged.Length - RecordBatchHeader.LogOverhead);
            RecordBatchHeader.SetBaseOffset(damaged, 0);
            RecordBatchHeader.SetCrc(damaged);
        }

        return damaged;
    }

    private static byte[] DamagedBehindCrc(byte[] batch, Random random)
    {
        var from = random.Next(4) == 0 ? RecordBatchHeader.AttributesAt : RecordBatchHeader.Size;
        return [.. batch[..from], .. Damage.Apply(batch[from..], [], random)];
    }

    private static BatchRules RandomRules(Random random) => new()
    {
        NowMs = NowMs,
        Compacted = random.Next(4) == 0,
        TimestampType = (TimestampType)random.Next(2),
        TargetCodec = random.Next(3) == 0 ? (CompressionCodec)random.Next(5) : null,
        FromCoordinator = random.Next(4) == 0,
        TimestampBeforeMaxMs = random.Next(2) == 0 ? long.MaxValue : random.Next(1000),
        MaxMessageBytes = random.Next(4) == 0 ? random.Next(500) : int.MaxValue,
    };

    private void Try(string subject, Action<Random> attempt)
    {
        output.WriteLine($"FUZZ_SEED={Fuzzing.Seed} FUZZ_COUNT={Fuzzing.Count}");
        Fuzzing.Try(subject, CasesPerRun * Fuzzing.Count, attempt);
    }
}
