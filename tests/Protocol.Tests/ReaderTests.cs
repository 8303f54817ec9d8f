using System.Buffers.Binary;

namespace Milena.Protocol.Tests;

/// <summary>What a message may announce, and what its reader says to more.</summary>
public sealed class ReaderTests
{
    private const int SmallAllocation = 1024;

    [Theory]
    [InlineData(ProtocolReader.MaxElements, true)]
    [InlineData(ProtocolReader.MaxElements + 1, false)]
    public void An_array_has_a_million_elements_at_most(int elements, bool isRead)
    {
        // DeleteGroups version 2: a compact array of compact strings, the empty one of which takes a byte.
        var body = Written((ref ProtocolWriter writer) => writer.WriteUnsignedVarint((uint)elements + 1), trailing: elements + 1, filler: 1);
        body[^1] = 0;
        var allocated = Allocated(() => Assert.Equal(isRead, DeleteGroupsRequest.TryRead(body, 2, out _)));
        Assert.True(isRead || allocated < SmallAllocation, $"{allocated} bytes were allocated for a refused array");
    }

    [Theory]
    [InlineData(ProtocolReader.MaxTags, true)]
    [InlineData(ProtocolReader.MaxTags + 1, false)]
    public void A_struct_has_ten_thousand_tagged_fields_at_most(int tags, bool isRead)
    {
        var body = Written((ref ProtocolWriter writer) =>
        {
            writer.WriteUnsignedVarint(1);
            writer.WriteUnsignedVarint((uint)tags);
            for (var tag = 0u; tag < tags; tag++)
            {
                writer.WriteUnsignedVarint(tag);
                writer.WriteUnsignedVarint(0);
            }
        });
        var allocated = Allocated(() => Assert.Equal(isRead, DeleteGroupsRequest.TryRead(body, 2, out _)));
        Assert.True(allocated < SmallAllocation, $"{allocated} bytes were allocated for tagged fields that are skipped");
    }

    [Theory]
    [InlineData(ProtocolWriter.MaxStringBytes, true)]
    [InlineData(ProtocolWriter.MaxStringBytes + 1, false)]
    public void A_compact_string_is_no_longer_than_one_with_a_length_of_two_bytes(int bytes, bool isRead)
    {
        var body = Written((ref ProtocolWriter writer) =>
        {
            writer.WriteUnsignedVarint(2);
            writer.WriteUnsignedVarint((uint)bytes + 1);
        }, trailing: bytes + 1, filler: (byte)'a');
        body[^1] = 0;
        Assert.Equal(isRead, DeleteGroupsRequest.TryRead(body, 2, out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_string_that_no_peer_would_read_is_not_written(short version)
    {
        using var buffer = new MessageBuffer();
        var request = new DeleteGroupsRequest { GroupsNames = [new string('é', 20_000)] };
        Assert.Throws<InvalidOperationException>(() =>
        {
            var writer = new ProtocolWriter(buffer);
            request.Write(ref writer, version);
        });
    }

    [Theory]
    [InlineData("80")]
    [InlineData("42FC726F")]
    [InlineData("C0AF")]
    [InlineData("EDA080")]
    [InlineData("F4908080")]
    public void What_is_no_utf8_in_a_string_is_replaced_as_kafka_does(string hex)
    {
        byte[] body = [2, (byte)((hex.Length / 2) + 1), .. Convert.FromHexString(hex), 0];
        Assert.True(DeleteGroupsRequest.TryRead(body, 2, out var read));
        Assert.Contains('\uFFFD', Assert.Single(read.GroupsNames));
    }

    [Theory]
    [InlineData(short.MaxValue / 3, true)]
    [InlineData((short.MaxValue / 3) + 1, false)]
    public void A_string_that_replacement_would_make_too_long_to_be_answered_is_refused(int length, bool accepted)
    {
        byte[] bytes = [.. Enumerable.Repeat((byte)0x80, length)];
        byte[] body = [0, 0, 0, 1, (byte)(length >> 8), (byte)length, .. bytes];
        Assert.Equal(accepted, DeleteGroupsRequest.TryRead(body, 1, out var read));
        Assert.Equal(accepted, read is not null && Written((ref ProtocolWriter writer) => read!.Write(ref writer, 1)).Length == body.Length + (2 * length));
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-2)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void An_absurd_length_is_refused(int length)
    {
        var body = new byte[64];
        BinaryPrimitives.WriteInt32BigEndian(body, length);
        var allocated = Allocated(() => Assert.False(DeleteGroupsRequest.TryRead(body, 1, out _)));
        Assert.True(allocated < SmallAllocation, $"{allocated} bytes were allocated for a refused array");
    }

    private delegate void Write(ref ProtocolWriter writer);

    private static byte[] Written(Write write, int trailing = 0, byte filler = 0)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        write(ref writer);
        return [.. buffer.Written.Span, .. Enumerable.Repeat(filler, trailing)];
    }

    private static long Allocated(Action action)
    {
        // Once before, so that what is compiled and cached on first use is not counted.
        action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
