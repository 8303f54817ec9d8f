using System.Net;
using System.Net.Sockets;

namespace Milena.Testing;

/// <summary>Ports of this machine that nobody listens on at the moment.</summary>
public static class FreePorts
{
    /// <summary>Below those that systems give out by themselves, so that few others come upon them.</summary>
    private const int Lowest = 10_000;
    private const int Highest = 32_000;

    public static int One()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>The first of so many free ports in a row. A node's quorum listens one port above its cluster's, so it needs two.</summary>
    public static int InARow(int count)
    {
        while (true)
        {
            var first = Random.Shared.Next(Lowest, Highest - count);
            if (Enumerable.Range(first, count).All(IsFree))
            {
                return first;
            }
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
