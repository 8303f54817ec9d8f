using Akka.Cluster.Sharding;
using Akka.Configuration;
using Milena.Node.Configuration;

namespace Milena.Node;

/// <summary>What a node asks of Akka: its own <c>reference.conf</c>, this node's address, and over both what the user says.</summary>
internal static class AkkaSettings
{
    public static Config Of(NodeConfiguration configuration)
    {
        using var stream = typeof(AkkaSettings).Assembly.GetManifestResourceStream("reference.conf")!;
        using var reader = new StreamReader(stream);
        var address = ConfigurationFactory.ParseString($$"""
            akka.remote.dot-netty.tcp {
              hostname = "{{configuration.ClusterListen.Host}}"
              port = {{configuration.ClusterListen.Port}}
            }
            """);
        return configuration.Akka
            .WithFallback(address)
            .WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()))
            .WithFallback(ClusterSharding.DefaultConfig())
            .WithFallback(Akka.Cluster.Tools.Singleton.ClusterSingleton.DefaultConfig())
            .WithFallback(Akka.DistributedData.DistributedData.DefaultConfig());
    }
}
