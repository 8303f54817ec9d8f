using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Searching_an_index
{
    private const int BlockBytes = 4096;
    private static readonly string Folder = Path.GetFullPath("/data/orders-0");

    public static TheoryData<int, bool> Counts()
    {
        var data = new TheoryData<int, bool>();
        foreach (var count in (int[])[0, 1, 2, 341, 342, 512, 513, 700, 1025, 5000])
        {
            data.Add(count, false);
            data.Add(count, true);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void The_floor_of_an_offset_is_its_last_entry_at_or_below(int count, bool isSealed)
    {
        var random = new Random(count);
        var disk = NewDisk();
        using var index = new OffsetIndex(disk, Path.Combine(Folder, "a.index"), baseOffset: 1000);
        index.File.MakeWritable();
        var entries = new List<(long Offset, int Position)>();
        for (var i = 0; i < count; i++)
        {
            entries.Add(((entries.Count > 0 ? entries[^1].Offset : 1000) + random.Next(1, 10), i * 5000));
            index.Append(entries[^1].Offset, entries[^1].Position);
        }
        if (isSealed) index.File.Seal();
        var next = 0;
        (long Offset, int Position) expected = (1000, 0);
        for (long offset = 999; offset < 1000 + (count * 10); offset++)
        {
            while (next < count && entries[next].Offset <= offset) expected = entries[next++];
            Assert.Equal(expected, index.Floor(offset));
        }
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void A_search_for_a_timestamp_begins_at_the_last_entry_before_it(int count, bool isSealed)
    {
        var disk = NewDisk();
        using var index = new TimeIndex(disk, Path.Combine(Folder, "a.timeindex"), baseOffset: 1000);
        index.File.MakeWritable();
        for (var i = 0; i < count; i++) index.MaybeAppend(timestamp: 10 * i, offset: 1000 + (3 * i));
        if (isSealed) index.File.Seal();
        for (var timestamp = 0; timestamp <= 10 * count; timestamp++)
        {
            var before = Math.Min(count - 1, ((timestamp + 9) / 10) - 1);
            Assert.Equal(before < 0 ? 1000 : 1000 + (3 * before), index.FloorOffset(timestamp));
        }
    }

    [Fact]
    public void A_sealed_index_is_halved_down_to_a_block_which_is_read_once()
    {
        var disk = NewDisk();
        using var index = new OffsetIndex(disk, Path.Combine(Folder, "a.index"), baseOffset: 0);
        index.File.MakeWritable();
        for (var i = 0; i < 8 * BlockBytes / OffsetIndex.EntryBytes; i++) index.Append(i, i);
        index.File.Seal();
        var reads = 0;
        disk.Fault = (operation, _) => reads += operation == DiskOperation.Read ? 1 : 0;
        Assert.Equal((1234L, 1234), index.Floor(1234));
        Assert.Equal(4, reads);
    }

    private static FaultyDisk NewDisk()
    {
        var disk = new FaultyDisk();
        disk.CreateFolder(Folder);
        return disk;
    }
}
