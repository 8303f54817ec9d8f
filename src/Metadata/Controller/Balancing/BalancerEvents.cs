using Microsoft.Extensions.Logging;

namespace Milena.Metadata.Controller.Balancing;

internal static partial class BalancerEvents
{
    [LoggerMessage(Level = LogLevel.Information, Message = "{What} (controller epoch {Epoch})")]
    public static partial void Told(ILogger logger, string what, int epoch);
}
