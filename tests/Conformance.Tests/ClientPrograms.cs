using System.Collections.Concurrent;
using System.Diagnostics;

namespace Milena.Conformance.Tests;

/// <summary>The client programs under <c>Programs</c>, each built once for a test run. See the README there for what each can do.</summary>
public static class ClientPrograms
{
    private static readonly ConcurrentDictionary<string, Lazy<string[]>> Built = new();

    /// <summary>What users of Kafka run today, by the name of the library.</summary>
    public static readonly string[] All = ["confluent-python", "kafka-python", "kafkajs", "confluent-go", "sarama", "java", "confluent-dotnet"];

    /// <summary>Those whose key partitioner is, or can be set to, the Java client's murmur2.</summary>
    public static readonly string[] Murmur2 = ["confluent-python", "kafka-python", "kafkajs", "confluent-go", "java", "confluent-dotnet"];

    private static string Sources => Path.Combine(AppContext.BaseDirectory, "Programs");

    /// <summary>Runs a command of a client to its end.</summary>
    /// <returns>The lines that it printed.</returns>
    public static string[] Run(string client, params string[] arguments)
    {
        var command = CommandOf(client);
        return Clients.Run(command[0], null, [.. command[1..], .. arguments]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Starts a command whose input stays open.</summary>
    public static Process Start(string client, params string[] arguments)
    {
        var command = CommandOf(client);
        return Process.Start(new ProcessStartInfo(command[0], [.. command[1..], .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    /// <summary>Builds a Go program of Debian's packages.</summary>
    public static string BuildGo(string source)
    {
        Clients.Need("go", "apt-get install golang-go golang-github-confluentinc-confluent-kafka-go-dev golang-github-shopify-sarama-dev");
        var program = Path.Combine(Directory.CreateTempSubdirectory("milena-go-").FullName, "client");
        var build = new ProcessStartInfo("go", ["build", "-o", program, source]) { RedirectStandardError = true };
        build.Environment["GO111MODULE"] = "off";
        build.Environment["GOPATH"] = "/usr/share/gocode";
        using var process = Process.Start(build)!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{source} does not build: {errors}");
        return program;
    }

    private static string[] CommandOf(string client) => client switch
    {
        "confluent-python" => Python("confluent.py", "python3-confluent-kafka"),
        "kafka-python" => Python("kafka_python.py", "python3-kafka"),
        "confluent-go" => Once(client, () => [BuildGo(Path.Combine(Sources, "confluent_go", "main.go"))]),
        "sarama" => Once(client, () => [BuildGo(Path.Combine(Sources, "sarama_go", "main.go"))]),
        "kafkajs" => Once(client, InstallKafkaJs),
        "java" => Once(client, CompileJava),
        "confluent-dotnet" => ["dotnet", Path.Combine(AppContext.BaseDirectory, "Milena.Conformance.Client.dll")],
        _ => throw new ArgumentException($"There is no client program {client}."),
    };

    private static string[] Once(string client, Func<string[]> build) => Built.GetOrAdd(client, _ => new Lazy<string[]>(build)).Value;

    private static string[] Python(string script, string package)
    {
        Clients.Need("python3", $"apt-get install {package}");
        return ["/usr/bin/python3", Path.Combine(Sources, script)];
    }

    private static string[] InstallKafkaJs()
    {
        Clients.Need("npm", "install Node.js");
        var folder = Path.Combine(Sources, "kafkajs");
        Clients.Run("npm", null, ["ci", "--prefix", folder, "--no-audit", "--no-fund"]);
        return ["node", Path.Combine(folder, "client.js")];
    }

    private static string[] CompileJava()
    {
        var libraries = Environment.GetEnvironmentVariable("KAFKA_LIBS");
        Skip.If(string.IsNullOrEmpty(libraries), "KAFKA_LIBS names no folder of Kafka's jars");
        Clients.Need("javac", "apt-get install default-jdk-headless");
        var classes = Directory.CreateTempSubdirectory("milena-java-").FullName;
        Clients.Run("javac", null, ["-encoding", "UTF-8", "-cp", $"{libraries}/*", "-d", classes, Path.Combine(Sources, "java", "Client.java")]);
        return ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", $"{classes}:{libraries}/*", "Client"];
    }
}
