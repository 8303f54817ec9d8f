using System.IO.Compression;

namespace Milena.Bench.Tests;

public sealed class PayloadsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(100)]
    [InlineData(1_000_000)]
    public void Values_have_the_size_asked_for_and_are_the_same_every_time(int bytes)
    {
        var values = Payloads.Make(bytes);
        Assert.All(values, value => Assert.Equal(bytes, value.Length));
        Assert.Equal(values[^1], Payloads.Make(bytes)[^1]);
        Assert.InRange((long)values.Length * bytes, bytes, Math.Max(8 << 20, 4L * bytes));
    }

    [Fact]
    public void Values_pack_neither_like_noise_nor_like_zeros()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            foreach (var value in Payloads.Make(1024).Take(1000)) gzip.Write(value);
        }

        Assert.InRange(1000 * 1024 / (double)packed.Length, 1.5, 4);
    }

    [Fact]
    public void A_stamp_is_read_back()
    {
        var value = new byte[Payloads.StampBytes];
        Payloads.Stamp(value, long.MaxValue - 7);
        Assert.Equal(long.MaxValue - 7, Payloads.ReadStamp(value));
    }
}
