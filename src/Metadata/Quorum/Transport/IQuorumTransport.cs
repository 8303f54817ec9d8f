using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Answers a request of another replica. Null: it gets no answer, and its connection is closed.</summary>
public delegate Task<IResponseMessage?> QuorumRequestHandler(IRequestMessage request, CancellationToken stopping);

/// <summary>Carries requests between replicas. What is lost on the way is no error here: the quorum repeats what matters.</summary>
public interface IQuorumTransport : IAsyncDisposable
{
    /// <summary>Begins to take requests, any number at a time.</summary>
    void Serve(QuorumRequestHandler handler);

    /// <summary>A peer's machine answers that nobody listens there: its process has ended. Told on any thread, with each attempt.</summary>
    event Action<QuorumPeer>? Refused;

    /// <summary>Never throws.</summary>
    /// <returns>Null when the peer was not reached, or did not answer within <paramref name="timeout"/>.</returns>
    Task<IResponseMessage?> SendAsync(QuorumPeer to, IRequestMessage request, TimeSpan timeout);
}
