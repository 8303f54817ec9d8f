using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Milena.Node.Configuration;

namespace Milena.Node;

/// <summary>Looks whether the address under which other brokers are told to fetch from this one leads anywhere.</summary>
/// <remarks>
/// Only what is seen from here: a name that has no address here has none for others either, as far as anybody can tell; an address that does not
/// answer here may still do so for others, behind a load balancer that does not turn back.
/// </remarks>
internal static class AdvertisedAddress
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <param name="bound">All listeners of this node and their ports.</param>
    /// <param name="listenerName">Of the one that brokers use.</param>
    /// <exception cref="StartupException">There is no such listener, or its advertised host name has no address.</exception>
    public static async Task CheckAsync(IReadOnlyList<(Listener Listener, int Port)> bound, string listenerName, ILogger logger, TimeProvider time)
    {
        var (listener, port) = bound.FirstOrDefault(one => one.Listener.Name == listenerName);
        if (listener is null)
        {
            throw new StartupException($"Other brokers fetch from the listener {listenerName}, and listeners has none of that name. Name one of it in inter.broker.listener.name.");
        }

        var address = listener.AdvertisedWith(port);
        if (await WhyNotReachedAsync(address, await ResolveAsync(address), time) is { } reason)
        {
            NodeLog.AdvertisedInVain(logger, address.ToString(), reason);
        }
    }

    private static async Task<IPAddress[]> ResolveAsync(HostPort address)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(address.Host);
        }
        catch (SocketException e)
        {
            throw new StartupException(
                $"Other brokers cannot reach this one: its advertised host name '{address.Host}' has no address ({e.Message}). Set advertised.listeners to one that they can resolve.");
        }
    }

    private static async Task<string?> WhyNotReachedAsync(HostPort address, IPAddress[] addresses, TimeProvider time)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(addresses, address.Port, limit.Token);
            return null;
        }
        catch (SocketException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException)
        {
            return $"no answer within {Patience.TotalSeconds} s";
        }
    }
}
