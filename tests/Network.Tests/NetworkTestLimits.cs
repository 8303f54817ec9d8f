namespace Milena.Network.Tests;

internal static class NetworkTestLimits
{
    public const int MaxRequestBytes = 1 << 20;
}
