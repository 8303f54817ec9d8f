using System.Net;
using System.Net.Sockets;

namespace Milena.Testing;

/// <summary>Ports of this machine that nobody listens on at the moment.</summary>
public static class FreePorts
{
    /// <summary>Below those that systems give out by themselves, so that few others come upon them.</summary>
    private const int Lowest = 10_000;
    private const int Highest = 32_000;

    private static readonly Lock Handing = new();
    private static int _next = Random.Shared.Next(Lowest, Highest);

    public static int One()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>The first of so many free ports in a row. A node's quorum listens one port above its cluster's, so it needs two.</summary>
    /// <remarks>Nobody listens on them yet, and perhaps not for a while: one after the other, so that no other test of this process gets them meanwhile.</remarks>
    public static int InARow(int count)
    {
        lock (Handing)
        {
            while (true)
            {
                var first = _next + count <= Highest ? _next : Lowest;
                _next = first + count;
                if (Enumerable.Range(first, count).All(IsFree))
                {
                    return first;
                }
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
