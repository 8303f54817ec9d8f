using System.Security.Cryptography;
using Milena.Model;

namespace Milena.Faults.Checking;

/// <summary>Reads a partition's segment files as they lie on a stopped node's disk.</summary>
public static class ReplicaReader
{
    /// <param name="folder">The partition's folder.</param>
    /// <exception cref="InvalidDataException">A file holds something that is no record batch.</exception>
    public static ReplicaLog Read(int node, string folder)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var records = new List<Placed>();
        // The names are base offsets of one width: their order is the log's.
        foreach (var file in Directory.GetFiles(folder, "*.log").Order(StringComparer.Ordinal))
        {
            var bytes = File.ReadAllBytes(file);
            digest.AppendData(bytes);
            var rest = ReadBatches(bytes, records);
            if (rest > 0)
            {
                throw new InvalidDataException($"{file}: its last {rest} bytes are no record batch.");
            }
        }

        return new(node, records, Convert.ToHexString(digest.GetHashAndReset())[..16]);
    }

    /// <returns>Bytes at the end that are no whole batch.</returns>
    private static int ReadBatches(ReadOnlySpan<byte> bytes, List<Placed> records)
    {
        while (RecordBatchHeader.TryRead(bytes, out var header) == ErrorCode.None && header.SizeInBytes <= bytes.Length)
        {
            var reader = new RecordReader(bytes[RecordBatchHeader.Size..header.SizeInBytes]);
            while (reader.TryRead(out var record))
            {
                records.Add(new(header.BaseOffset + record.OffsetDelta, Value.From(record.Value), TimeSpan.MaxValue));
            }

            bytes = bytes[header.SizeInBytes..];
        }

        return bytes.Length;
    }
}
