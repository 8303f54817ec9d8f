using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Fuzz.Tests;

/// <summary>Metadata records in their frame: a version, a type, the record's version, then the record.</summary>
public sealed class MetadataRecordTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const int CasesPerRun = 100;

    private static readonly Codec[] Records = [.. Codec.All.Values.Where(codec => codec.Spec.Kind == "record")];

    [Fact]
    public void A_framed_record_that_is_read_is_written_so_that_it_reads_again() => Try("framed record", random =>
    {
        var (frame, _) = Frame(random);
        if (MetadataRecords.TryDecode(frame, out var record))
        {
            Assert.True(MetadataRecords.TryDecode(MetadataRecords.Encode(record), out var again), "refused its own record");
            Assert.Equal(Convert.ToHexString(MetadataRecords.Encode(record)), Convert.ToHexString(MetadataRecords.Encode(again)));
        }
    });

    [Fact]
    public void A_damaged_record_never_throws() => Try("damaged record", random =>
    {
        var (frame, lengths) = Frame(random);
        MetadataRecords.TryDecode(Damage.Apply(frame, lengths, random), out _);
    });

    [Theory]
    [InlineData(65_536 + TopicRecord.ApiKey, TopicRecord.HighestVersion)]
    [InlineData(TopicRecord.ApiKey, 65_536 + TopicRecord.HighestVersion)]
    [InlineData(TopicRecord.ApiKey, TopicRecord.HighestVersion + 1)]
    public void A_type_or_version_that_is_unknown_is_not_taken_for_a_known_one(int type, int version)
    {
        var record = Codec.Write(new TopicRecord { Name = "orders", TopicId = Guid.NewGuid() }, TopicRecord.HighestVersion);
        Assert.False(MetadataRecords.TryDecode(Frame((uint)type, (uint)version, record), out _));
    }

    private static (byte[] Frame, IReadOnlyList<LengthMark> Lengths) Frame(Random random)
    {
        var codec = Records[random.Next(Records.Length)];
        var version = (short)random.Next(codec.Spec.Versions.Lowest, codec.Spec.Versions.Highest + 1);
        var sample = Sample.Of(codec.Spec, version, random);
        var frame = Frame((uint)codec.Spec.ApiKey, (uint)version, sample.Bytes);
        var shift = frame.Length - sample.Bytes.Length;
        return (frame, [.. sample.Lengths.Select(mark => mark with { Position = mark.Position + shift })]);
    }

    private static byte[] Frame(uint type, uint version, byte[] record)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        writer.WriteUnsignedVarint(1);
        writer.WriteUnsignedVarint(type);
        writer.WriteUnsignedVarint(version);
        return [.. buffer.Written.Span, .. record];
    }

    private void Try(string subject, Action<Random> attempt)
    {
        output.WriteLine($"FUZZ_SEED={Fuzzing.Seed} FUZZ_COUNT={Fuzzing.Count}");
        Fuzzing.Try(subject, CasesPerRun * Fuzzing.Count, attempt);
    }
}
