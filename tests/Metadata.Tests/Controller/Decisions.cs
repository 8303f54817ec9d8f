using Milena.Metadata.Controller;
using Milena.Metadata.Settings;

namespace Milena.Metadata.Tests.Controller;

internal static class Decisions
{
    /// <summary>Chance and ids that are the same in each run.</summary>
    public static ControllerContext Context(StaticSettings? settings = null)
    {
        var random = new Random(1);
        return new ControllerContext(settings ?? StaticSettings.Defaults, random, () =>
        {
            var bytes = new byte[16];
            random.NextBytes(bytes);
            return new Guid(bytes);
        });
    }
}
