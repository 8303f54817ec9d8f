using Milena.Protocol;

namespace Milena.Network;

/// <summary>What the network hands its decoded requests to.</summary>
public interface IRequestDispatcher
{
    /// <summary>Whether this API and version are served on the listener that the request came in on.</summary>
    bool Serves(short apiKey, short apiVersion);

    /// <summary>
    /// Handles one request. Everything up to the first incomplete await happens before the connection's next request is looked at, so
    /// that is where order is fixed; the rest may overlap with later requests. The answer is null for a request that wants none.
    /// </summary>
    ValueTask<IResponseMessage?> DispatchAsync(RequestContext context, IRequestMessage request);

    /// <summary>The answer, in version 0, to an ApiVersions request of a version that is not served (KIP-511).</summary>
    IResponseMessage UnsupportedApiVersions();
}

/// <summary>One request as it came in. Its frame holds the bytes that the request's record batches point into, until the answer is sent.</summary>
public sealed class RequestContext(ClientConnection connection, short apiKey, short apiVersion, int correlationId, string? clientId)
{
    public ClientConnection Connection { get; } = connection;
    public short ApiKey { get; } = apiKey;
    public short ApiVersion { get; } = apiVersion;
    public int CorrelationId { get; } = correlationId;
    public string? ClientId { get; } = clientId;

    /// <summary>Why the connection ends once this request is answered; null where it goes on. Fixed before the answer is.</summary>
    public string? ClosesBecause { get; set; }
}

/// <summary>What is known of the client at the other end of a connection.</summary>
public sealed class ClientConnection(string id, string listenerName, string remoteAddress, CancellationToken closed)
{
    public string Id { get; } = id;
    public string ListenerName { get; } = listenerName;

    /// <summary>The client's address without its port, as Kafka shows it in group descriptions.</summary>
    public string RemoteAddress { get; } = remoteAddress;

    /// <summary>Fires when the connection is gone: waits on its behalf may end.</summary>
    public CancellationToken Closed { get; } = closed;

    /// <summary>Name and version of the client library as it gave them in ApiVersions (KIP-511), or "unknown".</summary>
    public string SoftwareName { get; set; } = "unknown";

    public string SoftwareVersion { get; set; } = "unknown";
}
