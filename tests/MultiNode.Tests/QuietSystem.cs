using Akka.Configuration;

namespace Milena.MultiNode.Tests;

/// <summary>What an actor system without a node around it asks of Akka: what a node does, on a free port, and without a log.</summary>
internal static class QuietSystem
{
    /// <param name="own">Laid over it, in HOCON.</param>
    public static Config With(string own = "")
    {
        using var stream = typeof(Node.MilenaNode).Assembly.GetManifestResourceStream("reference.conf")!;
        using var reader = new StreamReader(stream);
        return ConfigurationFactory.ParseString(own)
            .WithFallback(ConfigurationFactory.ParseString("""
                akka {
                  loggers = []
                  loglevel = OFF
                  remote.dot-netty.tcp {
                    hostname = 127.0.0.1
                    port = 0
                  }
                }
                """))
            .WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()));
    }
}
