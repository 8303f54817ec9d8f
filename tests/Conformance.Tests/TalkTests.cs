using System.Diagnostics;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>The two Go programs of the talk that this project comes from, but for the import path where the installed package is older.</summary>
public sealed class TalkTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [SkippableFact]
    public async Task Its_producer_says_hello_and_its_consumer_prints_it()
    {
        using var node = new NodeProcess(port: 9092).Start();
        var producer = Build("producer");
        Clients.Run(producer, null, []);
        using var consumer = Process.Start(new ProcessStartInfo(Build("consumer")) { RedirectStandardOutput = true })!;
        try
        {
            var line = await consumer.StandardOutput.ReadLineAsync().WaitAsync(Patience);
            Assert.Equal("✅ Message 'Hello world' received from topic 'test_topic' ", line);
        }
        finally
        {
            consumer.Kill();
        }
    }

    private static string Build(string program)
    {
        var text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Programs", "talk", $"{program}.go.txt"));
        var source = Path.Combine(Directory.CreateTempSubdirectory("milena-talk-").FullName, $"{program}.go");
        File.WriteAllText(source, text.Replace("confluent-kafka-go/v2/kafka", "confluent-kafka-go/kafka", StringComparison.Ordinal));
        return ClientPrograms.BuildGo(source);
    }
}
