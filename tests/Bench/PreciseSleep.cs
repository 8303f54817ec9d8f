using System.Runtime.InteropServices;

namespace Milena.Bench;

/// <summary>Sleeps to some tens of microseconds where the system can, without spinning: the broker may need the processor.</summary>
internal static partial class PreciseSleep
{
    public static void For(TimeSpan time)
    {
        if (OperatingSystem.IsWindows() || !Environment.Is64BitProcess)
        {
            // Whole milliseconds is what there is.
            Thread.Sleep(TimeSpan.FromMilliseconds(Math.Ceiling(time.TotalMilliseconds)));
            return;
        }
        var request = new TimeSpec { Seconds = time.Ticks / TimeSpan.TicksPerSecond, Nanoseconds = time.Ticks % TimeSpan.TicksPerSecond * 100 };
        // A signal may end it early; the caller looks at the clock again.
        _ = NanoSleep(request, 0);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int NanoSleep(in TimeSpec request, nint remaining);
}
