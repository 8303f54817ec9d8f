using System.Diagnostics.CodeAnalysis;
using Milena.Protocol;

namespace Milena.Network;

/// <summary>Splits a frame into header and body and decodes both.</summary>
public static class RequestDecoder
{
    /// <param name="frame">A request without its size field. The request's byte fields point into it.</param>
    /// <returns>False for bytes that do not begin with one header and one body of that API and version, and for an API that there is none of.</returns>
    public static bool TryRead(
        ReadOnlyMemory<byte> frame, short apiKey, short apiVersion, out string? clientId, [NotNullWhen(true)] out IRequestMessage? request)
    {
        clientId = null;
        request = null;
        var reader = new ProtocolReader(frame);
        if (ApiCatalog.Find(apiKey) is null
            || !RequestHeader.TryRead(ref reader, ApiCatalog.RequestHeaderVersion(apiKey, apiVersion), out var header))
        {
            return false;
        }

        clientId = header.ClientId;
        return ApiCatalog.TryReadRequest(apiKey, apiVersion, frame[reader.Position..], out request);
    }
}
