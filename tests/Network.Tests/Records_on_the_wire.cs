using Milena.Protocol;
using Milena.Testing;

namespace Milena.Network.Tests;

/// <summary>Records that are sent from their file, and records that are copied, for the same clients.</summary>
public sealed class Records_on_the_wire
{
    /// <summary>The last one whose answers have the plain header.</summary>
    private const short FetchVersion = 11;

    private const int LargeBatches = 48;
    private const int LargeBatchBytes = 1_000_000;

    private static readonly FetchRequest AnyRequest = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answers_hold_the_bytes_of_their_segments_in_order_whichever_way_they_go(bool fromFile)
    {
        using var log = new LogOnDisk(batches: 200, batchBytes: 30_000, segmentBytes: 1_000_000);
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        (long Offset, int MaxBytes)[][] answers =
        [
            [(0, int.MaxValue), (5, 100), (60, 128 * 1024 - 1), (61, 128 * 1024), (150, 700_001), (398, 1)],
            [(7, 1)],
            [(200, int.MaxValue), (300, int.MaxValue)],
        ];
        for (var id = 0; id < answers.Length; id++)
        {
            client.Send(ApiKey.Fetch, FetchVersion, id, AnyRequest);
        }

        await server.Dispatcher.ArrivalsAsync(answers.Length, RawClient.Patience);
        var sources = answers.Select(answer => answer.Select(part => new Watched(log.Read(part.Offset, part.MaxBytes), fromFile)).ToArray()).ToArray();
        for (var id = answers.Length - 1; id >= 0; id--)
        {
            server.Dispatcher.Answer(id, LogOnDisk.Answer(sources[id]));
        }

        for (var id = 0; id < answers.Length; id++)
        {
            var frame = await client.ReadFrameAsync();
            Assert.Equal(id, RawClient.CorrelationIdOf(frame));
            var partitions = Decode(frame).Responses[0].Partitions;
            Assert.Equal(answers[id].Select(part => log.BytesOf(part.Offset, part.MaxBytes)), partitions.Select(partition => partition.Records.Memory.ToArray()));
            foreach (var source in sources[id])
            {
                await source.DisposedAsync();
            }
        }

        var large = sources.SelectMany(one => one).Where(source => source.Length > 500_000).ToList();
        Assert.True(large.Count >= 3);
        Assert.All(large, source => Assert.True(
            fromFile && OperatingSystem.IsLinux() ? source.BytesRead < source.Length / 4 : source.BytesRead == source.Length,
            $"{source.BytesRead} of {source.Length} bytes were read"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_is_reset_in_the_middle_of_its_records_lets_go_of_everything(bool fromFile)
    {
        using var log = Large();
        await using var server = await Server.StartAsync();
        var records = new Watched(log.Read(0), fromFile);
        var later = new Watched(log.Read(0), fromFile);
        using (var client = server.Connect())
        {
            await FetchAsync(server, client, 1, records);
            await FetchAsync(server, client, 2, later);
            await client.ReadAsync(1000);
            client.Reset();
        }

        await records.DisposedAsync();
        await later.DisposedAsync();
        await server.RoomAsync(0);
        Assert.Equal(0, server.Budget.Held);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_segment_that_retention_deletes_meanwhile_still_arrives_whole(bool fromFile)
    {
        using var log = Large();
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        var expected = log.BytesOf(0);
        var file = Assert.Single(log.SegmentFiles);
        var records = new Watched(log.Read(0), fromFile);
        await FetchAsync(server, client, 1, records);
        var start = await client.ReadAsync(1000);
        log.Expire();
        Assert.False(File.Exists(file), "the segment still has its name");
        Assert.Contains(log.SegmentFiles, name => name.EndsWith(".deleted", StringComparison.Ordinal));

        var frame = await client.ReadFrameAsync(start);
        Assert.True(Decode(frame).Responses[0].Partitions[0].Records.Memory.Span.SequenceEqual(expected));
        await records.DisposedAsync();
        Assert.DoesNotContain(log.SegmentFiles, name => name.EndsWith(".deleted", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_segment_that_is_cut_meanwhile_closes_the_connection_with_a_reason(bool fromFile)
    {
        using var log = Large();
        var told = new KeptLogs();
        await using var server = await Server.StartAsync(logs: told);
        using var client = server.Connect();
        var records = new Watched(log.Read(0), fromFile);
        await FetchAsync(server, client, 1, records);
        await client.ReadAsync(1000);
        using (var file = new FileStream(log.SegmentFiles[0], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(records.Length * 3L / 4);
        }

        var arrived = 1000 + await client.ReadToEndAsync();
        Assert.InRange(arrived, 1000, records.Length - 1);
        await records.DisposedAsync();
        Assert.Contains(told.Messages, message => message.Contains("a segment ended", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Answers_given_before_a_refusal_still_arrive()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send(ApiKey.Metadata, 12, 1, new MetadataRequest { Topics = [] });
        client.Send(ApiKey.Produce, 9, 2, new ProduceRequest { Acks = 0 });
        await server.Dispatcher.ArrivalsAsync(2, RawClient.Patience);
        server.Dispatcher.Fail(2, new CloseConnectionException("refused"));
        server.Dispatcher.Answer(1, new MetadataResponse());
        Assert.Equal(1, await client.ReadCorrelationIdAsync());
        await client.ClosedAsync("a refusal");
    }

    [Fact]
    public async Task A_large_request_arrives_whole_between_small_ones()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        var records = new byte[5_000_000];
        new Random(7).NextBytes(records);
        var large = new ProduceRequest { TopicData = [new() { Name = "orders", PartitionData = [new() { Records = new Records(records) }] }] };
        var small = RawClient.Frame(ApiKey.Metadata, 12, 1, new MetadataRequest { Topics = [] });
        client.Send([.. small, .. RawClient.Frame(ApiKey.Produce, 9, 2, large), .. RawClient.Frame(ApiKey.Metadata, 12, 3, new MetadataRequest { Topics = null })]);
        await server.Dispatcher.ArrivalsAsync(3, RawClient.Patience);
        var arrived = (ProduceRequest)server.Dispatcher[2].Request;
        Assert.True(arrived.TopicData[0].PartitionData[0].Records.Memory.Span.SequenceEqual(records));
        Assert.Null(((MetadataRequest)server.Dispatcher[3].Request).Topics);
        server.Dispatcher.Answer(1, new MetadataResponse());
        server.Dispatcher.Answer(2, new ProduceResponse());
        server.Dispatcher.Answer(3, new MetadataResponse());
        for (var id = 1; id <= 3; id++)
        {
            Assert.Equal(id, await client.ReadCorrelationIdAsync());
        }
    }

    /// <summary>More than the system keeps for a connection, so that a client that stops reading stops the sending.</summary>
    private static LogOnDisk Large() => new(LargeBatches, LargeBatchBytes, segmentBytes: 1 << 30);

    private static async Task FetchAsync(Server server, RawClient client, int id, IRecordsSource records)
    {
        client.Send(ApiKey.Fetch, FetchVersion, id, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        server.Dispatcher.Answer(id, LogOnDisk.Answer(records));
    }

    private static FetchResponse Decode(byte[] frame)
    {
        Assert.True(ApiCatalog.TryReadResponse((short)ApiKey.Fetch, FetchVersion, frame.AsMemory(sizeof(int)), out var response));
        return (FetchResponse)response;
    }
}
