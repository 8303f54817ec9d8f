namespace Milena.Generator.Tests;

/// <summary>What the generated code does, seen by compiling and running it.</summary>
public sealed class OutputTests
{
    private const string Spec = """
        data Thing 0-3 flexible 2+
          Number int32 0+ = -1                    # a number, & <more>
          Name string 1+ null 2+ ignorable
          Since int64 2+
          Items []Item 0+                         # the items
            Id int16 0+
            Note string 3+ null 3+ tag 0 3+ = null
          Extra int8 3+ tag 5 3+ = 7
        """;

    [Theory]
    [InlineData(0, "FFFFFFFF" + "00000001" + "0002")]
    [InlineData(1, "FFFFFFFF" + "000161" + "00000001" + "0002")]
    [InlineData(2, "FFFFFFFF" + "0261" + "0000000000000000" + "02" + "000200" + "00")]
    [InlineData(3, "FFFFFFFF" + "0261" + "0000000000000000" + "02" + "000200" + "00")]
    public void A_field_is_written_in_its_versions_and_in_their_form(short version, string hex) => Assert.Equal(hex, Generating.Run(Spec, $$"""
        return Hex(new Thing { Name = "a", Items = [new() { Id = 2 }] }, {{version}});
        """));

    [Fact]
    public void Tagged_fields_are_written_where_they_differ_from_their_default_and_read_back() => Assert.Equal(
        "FFFFFFFF" + "00" + "0000000000000000" + "02" + "0002" + "01" + "0002" + "0262"[..2] + "62" + "01" + "0501" + "09" + " b 9",
        Generating.Run(Spec, """
            var hex = Hex(new Thing { Name = null, Items = [new() { Id = 2, Note = "b" }], Extra = 9 }, 3);
            Thing.TryRead(Convert.FromHexString(hex), 3, out var read);
            return $"{hex} {read!.Items[0].Note} {read.Extra}";
            """));

    [Fact]
    public void A_field_that_a_version_lacks_is_dropped_if_ignorable_and_else_refused() => Assert.Equal(
        "FFFFFFFF00000000 Thing.Since is set, but version 1 cannot carry it.",
        Generating.Run(Spec, """
            var dropped = Hex(new Thing { Name = "dropped" }, 0);
            try { return Hex(new Thing { Since = 1 }, 1); }
            catch (InvalidOperationException refusal) { return $"{dropped} {refusal.Message}"; }
            """));

    [Fact]
    public void Defaults_are_those_of_the_spec() => Assert.Equal("-1||0|0|7|True", Generating.Run(Spec, """
        var thing = new Thing();
        return $"{thing.Number}|{thing.Name}|{thing.Since}|{thing.Items.Count}|{thing.Extra}|{new Thing.Item().Note is null}";
        """));

    [Fact]
    public void A_version_outside_the_range_is_read_by_nobody() => Assert.Equal("True False False", Generating.Run(Spec, """
        var bytes = Convert.FromHexString("0000000000000000000000000000000000000000");
        return string.Join(' ', new short[] { 0, -1, 4 }.Select(version => Thing.TryRead(bytes.AsMemory(0, 8), version, out _)));
        """));

    [Fact]
    public void Bytes_left_over_are_refused() => Assert.Equal("True False", Generating.Run(Spec, """
        return $"{Thing.TryRead(new byte[8], 0, out _)} {Thing.TryRead(new byte[9], 0, out _)}";
        """));

    // 20,001 elements of two bytes each in 40,000 bytes: refused by the least that they need, not by running out on the way.
    [Fact]
    public void An_array_that_its_bytes_cannot_hold_is_refused_before_it_is_allocated() => Assert.Equal("False True", Generating.Run(Spec, """
        var bytes = new byte[8 + 40_000];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), 20_001);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var read = Thing.TryRead(bytes, 0, out _);
        return $"{read} {GC.GetAllocatedBytesForCurrentThread() - before < 1000}";
        """));

    [Fact]
    public void Comments_become_docstrings_that_are_well_formed()
    {
        var result = Generating.Driver(new SpecText("thing.spec", Spec)).RunGenerators(Generating.Compilation()).GetRunResult();
        var text = Assert.Single(result.GeneratedTrees).ToString();
        Assert.Contains("/// <summary>a number, &amp; &lt;more></summary>\n    public int Number { get; set; } = -1;", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shared_struct_serves_several_fields_and_is_described_once() => Assert.Equal("0001" + "0002" + "00", Generating.Run("""
        data Pair 0 flexible 0+
          Left End 0+
          Right End 0+
          struct End 0+            # one of the two ends
            Id int16 0+
        """, """
        var hex = Hex(new Pair { Left = new Pair.End { Id = 1 }, Right = new Pair.End { Id = 2 } }, 0);
        return hex[..4] + hex[6..10] + hex[^2..];
        """));

    [Fact]
    public void The_catalog_knows_each_api_and_reads_by_key() => Assert.Equal("Ask 1-2 flexible 2 True False False", Generating.Run("""
        api 4 Ask 1-2 flexible 2+
        request
          A int8 0+
        response
          B int16 0+
        """, """
        var table = (ApiInfo[])typeof(ApiCatalog).GetField("Table", System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!.GetValue(null)!;
        var reads = new[] { (4, 1), (4, 3), (5, 1) }.Select(one => ApiCatalog.TryReadRequest((short)one.Item1, (short)one.Item2, new byte[1], out _));
        return $"{table[0].Name} {table[0].MinVersion}-{table[0].MaxVersion} flexible {table[0].FirstFlexibleVersion} {string.Join(' ', reads)}";
        """));
}
