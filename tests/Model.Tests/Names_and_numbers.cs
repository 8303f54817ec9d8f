namespace Milena.Model.Tests;

public sealed class Names_and_numbers
{
    [Theory]
    [InlineData("orders", true)]
    [InlineData("a.b_c-D9", true)]
    [InlineData("...", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    public void A_topic_name_is_ascii_letters_digits_and_three_signs(string? name, bool valid)
    {
        Assert.Equal(valid, TopicNames.IsValid(name));
        Assert.Equal(valid, TopicNames.TryValidate(name, out var reason));
        Assert.Equal(valid, reason.Length == 0);
    }

    [Fact]
    public void A_topic_name_has_at_most_249_characters()
    {
        Assert.True(TopicNames.IsValid(new string('a', 249)));
        Assert.False(TopicNames.IsValid(new string('a', 250)));
    }

    [Theory]
    [InlineData(ErrorText.MaxLength, ErrorText.MaxLength)]
    [InlineData(ErrorText.MaxLength + 1, ErrorText.MaxLength)]
    [InlineData(100_000, ErrorText.MaxLength)]
    public void An_error_text_is_cut_where_it_would_be_too_long(int length, int kept)
    {
        var clipped = ErrorText.Clip(new string('x', length));
        Assert.Equal(kept, clipped.Length);
        Assert.Equal(length > kept, clipped.EndsWith('…'));
    }

    [Fact]
    public void An_error_text_is_not_cut_within_a_character()
    {
        var clipped = ErrorText.Clip("x" + string.Concat(Enumerable.Repeat("🙂", ErrorText.MaxLength)));
        Assert.EndsWith("🙂…", clipped);
    }

    [Fact]
    public void Dots_and_underscores_collide() => Assert.Equal(TopicNames.CollisionKey("a.b_c"), TopicNames.CollisionKey("a_b.c"));

    [Theory]
    [InlineData("orders-0", "orders", 0)]
    [InlineData("a-b-12", "a-b", 12)]
    public void A_partition_reads_back_from_its_folder_name(string text, string topic, int partition)
    {
        Assert.True(TopicPartition.TryParse(text, out var read));
        Assert.Equal(new TopicPartition(topic, partition), read);
        Assert.Equal(text, read.ToString());
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("orders-")]
    [InlineData("-1")]
    [InlineData("orders-x")]
    [InlineData("orders-+1")]
    [InlineData("orders-99999999999")]
    [InlineData("or ders-1")]
    public void Other_folder_names_are_no_partitions(string text) => Assert.False(TopicPartition.TryParse(text, out _));

    [Fact]
    public void Crc_has_its_check_value() => Assert.Equal(0xE3069283, Crc32C.Compute("123456789"u8));

    [Fact]
    public void Crc_lanes_agree_with_the_bitwise_definition_at_every_length()
    {
        var random = new Random(7);
        var bytes = new byte[10_000];
        random.NextBytes(bytes);
        foreach (var length in Enumerable.Range(0, 64).Concat([1023, 1024, 3071, 3072, 3073, 6144, 6151, 9999, 10_000]))
        {
            var expected = Bitwise(bytes.AsSpan(0, length));
            Assert.Equal(expected, Crc32C.Compute(bytes.AsSpan(0, length)));
            var cut = random.Next(length + 1);
            Assert.Equal(expected, Crc32C.Append(Crc32C.Compute(bytes.AsSpan(0, cut)), bytes.AsSpan(cut, length - cut)));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(63)]
    [InlineData(-64)]
    [InlineData(64)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    public void Varints_read_back_in_the_size_they_announce(long value)
    {
        var bytes = new byte[Varint.MaxBytes64];
        var written = Varint.WriteInt64(bytes, value);
        Assert.Equal(Varint.SizeOfInt64(value), written);
        var position = 0;
        Assert.True(Varint.TryReadInt64(bytes, ref position, out var read));
        Assert.Equal((value, written), (read, position));
        if (value is < int.MinValue or > int.MaxValue) return;
        Assert.Equal(written, Varint.WriteInt32(bytes, (int)value));
        position = 0;
        Assert.True(Varint.TryReadInt32(bytes, ref position, out var read32));
        Assert.Equal((value, written), (read32, position));
        position = 0;
        Assert.False(Varint.TryReadInt32(bytes.AsSpan(0, written - 1), ref position, out _));
        Assert.Equal(0, position);
    }

    [Fact]
    public void Overlong_varints_are_refused()
    {
        var position = 0;
        Assert.False(Varint.TryReadUnsigned([0xFF, 0xFF, 0xFF, 0xFF, 0x1F], ref position, out _));
        Assert.False(Varint.TryReadUnsigned([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], ref position, out _));
        Assert.False(Varint.TryReadUnsigned64([.. Enumerable.Repeat((byte)0xFF, 9), 0x02], ref position, out _));
        Assert.Equal(0, position);
    }

    [Fact]
    public void Sequences_wrap_to_zero()
    {
        Assert.Equal(0, RecordBatchHeader.AddSequence(int.MaxValue, 1));
        Assert.Equal(4, RecordBatchHeader.AddSequence(int.MaxValue - 1, 6));
        Assert.Equal(7, RecordBatchHeader.AddSequence(3, 4));
    }

    private static uint Bitwise(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }
        return ~crc;
    }
}
