using System.Net.Sockets;
using Akka.Actor;
using Milena.Metadata.Image;

namespace Milena.Node.Membership;

/// <summary>Brokers whose process has ended, as their machines say: nobody listens there any more.</summary>
/// <remarks>
/// A node that is killed breaks its connections at once, and heartbeats tell only after their patience is over. Known by incarnation: one that
/// comes after it has an epoch of its own.
/// </remarks>
internal sealed class GoneBrokers(TimeProvider time)
{
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ProbePause = TimeSpan.FromMilliseconds(100);

    /// <summary>A process that is being ended may still be listening when its connections are broken already: the system closes one after the other.</summary>
    private const int Probes = 5;

    /// <summary>By then heartbeats have told the same; if they have not, the process is there after all.</summary>
    private static readonly TimeSpan BelieveFor = TimeSpan.FromSeconds(5);

    private readonly Dictionary<int, (long Epoch, long Since)> _gone = [];

    /// <summary>Whether the machine at that address refuses connections, or does so within half a second. Silence is no answer.</summary>
    public static async Task<bool> IsRefusedAsync(Address address, TimeProvider time)
    {
        for (var probe = 1; probe < Probes; probe++)
        {
            if (await IsRefusedNowAsync(address, time))
            {
                return true;
            }

            await Task.Delay(ProbePause, time);
        }

        return await IsRefusedNowAsync(address, time);
    }

    private static async Task<bool> IsRefusedNowAsync(Address address, TimeProvider time)
    {
        using var limit = new CancellationTokenSource(ProbeTimeout, time);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(address.Host!, address.Port!.Value, limit.Token);
            return false;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return e is SocketException { SocketErrorCode: SocketError.ConnectionRefused };
        }
    }

    public void Add(BrokerRegistration broker) => _gone[broker.Id] = (broker.Epoch, time.GetTimestamp());

    public bool Has(BrokerRegistration broker) =>
        _gone.TryGetValue(broker.Id, out var gone) && gone.Epoch == broker.Epoch && time.GetElapsedTime(gone.Since) < BelieveFor;
}
