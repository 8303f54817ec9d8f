using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>Settings that all clients of a run share; what the user set goes last and wins.</summary>
internal static class ClientSettings
{
    public static T Common<T>(T config, BenchOptions options)
        where T : ClientConfig
    {
        config.BootstrapServers = options.Bootstrap;
        config.ClientId = "bench";
        foreach (var (key, value) in options.Settings) config.Set(key, value);
        return config;
    }

    /// <exception cref="BenchException">The client refuses a setting.</exception>
    public static T Build<T>(Func<T> build)
    {
        try
        {
            return build();
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException)
        {
            throw new BenchException($"The client refuses its settings: {Broker.OneLine(error.Message)}", BenchException.Unusable);
        }
    }
}
