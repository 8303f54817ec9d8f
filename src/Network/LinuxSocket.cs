using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Milena.Network;

/// <summary>How an attempt to send a stretch of a file ended.</summary>
internal enum FileSending
{
    /// <summary>Some of it is on its way, perhaps not all.</summary>
    Sent,

    /// <summary>The file ends before the stretch begins.</summary>
    EndOfFile,

    /// <summary>The socket takes nothing at the moment.</summary>
    WouldBlock,

    /// <summary>The system cannot, for a reason that plain reads and sends will meet again, and name, if it is not the file system's own.</summary>
    Refused,
}

/// <summary>What .NET's sockets do not offer, or only with a task and a file stream for each call. It never waits for the client.</summary>
internal static partial class LinuxSocket
{
    private const int Interrupted = 4;
    private const int WouldBlock = 11;

    public const int TcpLevel = 6;
    public const int CorkOption = 3;

    /// <summary>The C library's file offsets are 64 bits wide only there.</summary>
    public static bool IsAvailable { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Hands a stretch of a file to the socket, as far as it takes it now.</summary>
    /// <param name="sent">Bytes taken.</param>
    public static FileSending SendFile(SafeSocketHandle socket, SafeFileHandle file, long position, int length, out int sent)
    {
        while (true)
        {
            var result = SendFile(socket, file, ref position, (nuint)length);
            sent = (int)Math.Max(0, result);
            if (result >= 0)
            {
                return result == 0 ? FileSending.EndOfFile : FileSending.Sent;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
            {
                return error == WouldBlock ? FileSending.WouldBlock : FileSending.Refused;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle socket, SafeFileHandle file, ref long position, nuint length);
}
