namespace Milena.Network;

/// <summary>A request that can only be answered by closing its connection, as produce with acks=0 is when it is refused. Not a bug.</summary>
public sealed class CloseConnectionException(string reason) : Exception(reason);
