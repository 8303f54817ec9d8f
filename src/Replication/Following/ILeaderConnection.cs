using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Opens connections to leaders. One of these for a whole node, so that whoever cuts it off from another cuts all at once.</summary>
public interface ILeaderConnector
{
    /// <exception cref="IOException">The leader cannot be reached.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    Task<ILeaderConnection> ConnectAsync(int leader, BrokerEndPoint endPoint, TimeSpan timeout, CancellationToken cancellation);
}

/// <summary>A follower's own connection to one leader. One request at a time.</summary>
public interface ILeaderConnection : IAsyncDisposable
{
    /// <summary>The highest version that both sides know.</summary>
    /// <exception cref="InvalidDataException">They have none in common.</exception>
    short VersionOf(ApiKey key);

    /// <summary>Asks and waits for the answer, whose record bytes are valid until the next request.</summary>
    /// <exception cref="IOException">The connection is lost; it cannot be used again.</exception>
    /// <exception cref="TimeoutException">No answer came in time; it cannot be used again.</exception>
    /// <exception cref="InvalidDataException">The answer cannot be read; it cannot be used again.</exception>
    Task<TResponse> AskAsync<TResponse>(ApiKey key, IRequestMessage request, TimeSpan timeout, CancellationToken cancellation)
        where TResponse : IResponseMessage;
}
