using System.Text;
using Milena.Testing;

namespace Milena.Conformance.Tests;

public sealed class KcatTests
{
    private const int Lines = 1_000_000;

    [SkippableTheory]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("snappy")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void A_million_lines_come_back_as_they_went_in_also_after_a_kill(string codec)
    {
        var text = new StringBuilder();
        for (var line = 0; line < Lines; line++)
        {
            text.Append("line ").Append(line).Append(" of a file that goes through ").Append(codec).Append('\n');
        }

        var file = Encoding.ASCII.GetBytes(text.ToString());
        using var node = new NodeProcess().Start();
        Clients.Kcat(file, "-b", node.Address, "-t", "file", "-P", "-z", codec);
        Assert.Equal(text.ToString(), Clients.Kcat(null, "-b", node.Address, "-t", "file", "-C", "-e", "-q", "-o", "beginning"));
        node.Kill();
        node.Start();
        Assert.Equal(text.ToString(), Clients.Kcat(null, "-b", node.Address, "-t", "file", "-C", "-e", "-q", "-o", "beginning"));
    }

    [SkippableFact]
    public void Keys_headers_and_nulls_survive_a_clean_restart()
    {
        using var node = new NodeProcess().Start();
        Clients.Kcat("k1|v1\nk2|\n"u8.ToArray(), "-b", node.Address, "-t", "keyed", "-P", "-K", "|", "-Z", "-H", "h=x");
        Assert.Equal(0, node.Stop());
        node.Start();
        var read = Clients.Kcat(null, "-b", node.Address, "-t", "keyed", "-C", "-e", "-q", "-f", "%o %k %s %S %h\\n");
        Assert.Equal("0 k1 v1 2 h=x\n1 k2  -1 h=x\n", read);
    }

    [SkippableFact]
    public void An_offset_and_a_timestamp_are_places_to_read_from()
    {
        using var node = new NodeProcess().Start();
        Clients.Kcat("a\nb\nc\n"u8.ToArray(), "-b", node.Address, "-t", "places", "-P");
        Assert.Equal("b\nc\n", Clients.Kcat(null, "-b", node.Address, "-t", "places", "-C", "-e", "-q", "-o", "1"));
        Assert.Equal("a\nb\nc\n", Clients.Kcat(null, "-b", node.Address, "-t", "places", "-C", "-e", "-q", "-o", "s@1000"));
        Assert.Equal("c\n", Clients.Kcat(null, "-b", node.Address, "-t", "places", "-C", "-e", "-q", "-o", "-1"));
    }

    [SkippableFact]
    public void An_idempotent_producer_and_acks_of_every_kind_are_served()
    {
        using var node = new NodeProcess().Start();
        Clients.Kcat("one\n"u8.ToArray(), "-b", node.Address, "-t", "acks", "-P", "-X", "enable.idempotence=true");
        Clients.Kcat("two\n"u8.ToArray(), "-b", node.Address, "-t", "acks", "-P", "-X", "acks=1");
        Clients.Kcat("three\n"u8.ToArray(), "-b", node.Address, "-t", "acks", "-P", "-X", "acks=0");
        Assert.Equal("one\ntwo\nthree\n", Clients.Kcat(null, "-b", node.Address, "-t", "acks", "-C", "-c", "3", "-q", "-o", "beginning"));
    }
}
