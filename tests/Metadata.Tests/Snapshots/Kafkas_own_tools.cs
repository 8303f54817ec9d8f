using System.Diagnostics;
using System.Text.RegularExpressions;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Tests.Log;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Snapshots;

/// <summary>Kafka's DumpLogSegments reads the metadata log and its snapshots. KAFKA_LIBS names the folder of its jars.</summary>
public sealed partial class Kafkas_own_tools : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("milena-metadata-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public async Task They_read_every_record_of_a_log_and_of_a_snapshot()
    {
        var fixture = new MetadataLogFixture().Start();
        var random = new Random(1);
        while (fixture.Image.TopicsById.Count < 5 || fixture.Image.Brokers.Count < 3 || fixture.Image.Configs.IsEmpty || fixture.Image.NextProducerId == 0)
        {
            await fixture.CommitAsync([.. Images.RandomChange(fixture.Image, random)]);
        }

        var records = fixture.Image.Offset + 1;
        fixture.Log.WriteSnapshot(fixture.Image);
        await fixture.StopAsync();

        var log = Dump(fixture, "00000000000000000000.log");
        Assert.Equal(records, Payloads().Count(log));
        var snapshot = Dump(fixture, $"{records:D20}-{fixture.Image.Epoch:D10}.checkpoint");
        Assert.Contains("SnapshotHeader", snapshot);
        Assert.Contains("SnapshotFooter", snapshot);
        var expected = Milena.Metadata.Snapshots.ImageRecords.Of(fixture.Image).ToList();
        Assert.Equal(expected.Count, Payloads().Count(snapshot));
        Assert.Equal(expected.OfType<PartitionRecord>().Count(), Regex.Count(snapshot, "\"type\":\"PARTITION_RECORD\""));
        foreach (var topic in fixture.Image.TopicsByName.Keys)
        {
            Assert.Contains($"\"name\":\"{topic}\"", snapshot);
        }
    }

    [SkippableFact]
    public void They_read_the_voters_of_a_snapshot()
    {
        var fixture = new MetadataLogFixture();
        fixture.Disk.CreateFolder(MetadataLogFixture.Folder);
        var id = new Milena.Metadata.Snapshots.SnapshotId(42, 7);
        var voters = new VotersRecord
        {
            Voters = [new() { VoterId = 3, VoterDirectoryId = Guid.NewGuid(), Endpoints = [new() { Name = "QUORUM", Host = "three", Port = 9 }], KRaftVersionFeature = new() { MaxSupportedVersion = 1 } }],
        };
        new Milena.Metadata.Snapshots.SnapshotFolder(fixture.Disk, MetadataLogFixture.Folder).Write(id, 5, [new NoOpRecord()], voters);
        var snapshot = Dump(fixture, id.FileName);
        Assert.Contains("SnapshotHeader", snapshot);
        Assert.Contains("KRaftVersion", snapshot);
        Assert.Contains("\"host\":\"three\"", snapshot);
    }

    [GeneratedRegex("payload: \\{\"type\":\"[A-Z_]+_RECORD\"")]
    private static partial Regex Payloads();

    private string Dump(MetadataLogFixture fixture, string name)
    {
        var libraries = Environment.GetEnvironmentVariable("KAFKA_LIBS");
        Skip.If(string.IsNullOrEmpty(libraries), "KAFKA_LIBS names no folder of Kafka's jars");
        var file = Path.Combine(_folder, name);
        File.WriteAllBytes(file, fixture.Disk.Content(Path.Combine(MetadataLogFixture.Folder, name)));
        var start = new ProcessStartInfo(
            "java", ["-cp", $"{libraries}/*", "org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files", file])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Timeout))
        {
            process.Kill();
            throw new TimeoutException($"DumpLogSegments of {name} did not end within {Timeout}.");
        }

        Assert.True(process.ExitCode == 0, $"DumpLogSegments of {name} ended with {process.ExitCode}: {output.Result}{errors.Result}");
        Assert.DoesNotContain("isvalid: false", output.Result);
        return output.Result;
    }
}
