using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>Sees to it that the client measures with the librdkafka of its own package.</summary>
internal static class NativeClient
{
    // The package's first choice of native build wants a libsasl2 that not every distribution has. Left to itself the loader then takes
    // a librdkafka of the system's before the package's second build, and that may be years older: the numbers would be that one's.
    public static void Load()
    {
        var native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        if (OperatingSystem.IsLinux() && Directory.Exists(native) && !NativeLibrary.TryLoad(Path.Combine(native, "librdkafka.so"), out _))
        {
            var second = Path.Combine(native, "centos8-librdkafka.so");
            NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, (name, _, _) => name == "librdkafka" ? NativeLibrary.Load(second) : 0);
        }
    }
}
