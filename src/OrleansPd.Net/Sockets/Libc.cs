using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace OrleansPd.Net.Sockets;

/// <summary>The Linux system calls behind <see cref="SocketLoop"/> and <see cref="LoopSocket"/>.</summary>
internal static unsafe partial class Libc
{
    public const int EpollIn = 0x1;
    public const int EpollOut = 0x4;
    public const int EpollErr = 0x8;
    public const int EpollHup = 0x10;
    public const int EpollRdHup = 0x2000;
    public const int EpollEdge = unchecked((int)0x80000000);

    public const int Interrupted = 4;
    public const int Again = 11;
    public const int InProgress = 115;

    private const int Add = 1;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int More = 0x8000;
    private const int GetFlags = 3;
    private const int SetFlags = 4;

    /// <summary>struct epoll_event has 12 bytes on x86-64 and 16 elsewhere. Other processors are not tested.</summary>
    public static bool IsSupported { get; } = OperatingSystem.IsLinux()
        && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    public static int EventSize { get; } = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    /// <summary>Offset of the data in a struct epoll_event.</summary>
    public static int EventData => EventSize - sizeof(long);

    private static int Error => Marshal.GetLastPInvokeError();

    /// <exception cref="IOException">No file descriptor is left.</exception>
    public static int CreatePoll()
    {
        var poll = EpollCreate(CloseOnExec);
        return poll >= 0 ? poll : throw new IOException($"epoll_create1: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Creates an eventfd, by which another thread can wake a wait.</summary>
    /// <exception cref="IOException">No file descriptor is left.</exception>
    public static int CreateEvent()
    {
        var e = EventFd(0, CloseOnExec | NonBlocking);
        return e >= 0 ? e : throw new IOException($"eventfd: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    public static void Signal(int eventFd)
    {
        var one = 1L;
        // Fails only when the counter is full; then the eventfd is readable already.
        _ = Write(eventFd, &one, sizeof(long));
    }

    /// <summary>Closes a file descriptor that no other object owns.</summary>
    public static void Close(int fd) => _ = CloseFd(fd);

    /// <summary>Registers a file descriptor for all events, edge-triggered.</summary>
    /// <exception cref="IOException">The kernel cannot watch one more.</exception>
    public static void Watch(int poll, int fd, long data)
    {
        var e = stackalloc byte[16];
        *(int*)e = EpollIn | EpollOut | EpollRdHup | EpollEdge;
        *(long*)(e + EventData) = data;
        if (EpollControl(poll, Add, fd, e) < 0)
            throw new IOException($"epoll_ctl: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>
    /// Returns the number of pending events. With <paramref name="forEver"/> it waits for at least one, else it does not wait. 0
    /// if there are none, or if a signal interrupted the wait.
    /// </summary>
    public static int Wait(int poll, byte* events, int max, bool forEver)
    {
        var count = EpollWait(poll, events, max, forEver ? -1 : 0);
        return count >= 0 ? count
            : Error == Interrupted ? 0 : throw new IOException($"epoll_wait: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Returns the number of bytes read, 0 at the end, or the negative error number.</summary>
    public static int Receive(int fd, Span<byte> into)
    {
        fixed (byte* start = into)
        {
            while (true)
            {
                var read = (int)Recv(fd, start, (nuint)into.Length, DontWait);
                if (read >= 0 || Error != Interrupted)
                    return read >= 0 ? read : -Error;
            }
        }
    }

    /// <summary>Returns the number of bytes sent, or the negative error number.</summary>
    /// <param name="fd">A connected socket.</param>
    /// <param name="bytes">The data to send; not empty.</param>
    /// <param name="moreFollows">MSG_MORE: another send follows at once, so the kernel may delay a partial packet.</param>
    public static int Send(int fd, ReadOnlySpan<byte> bytes, bool moreFollows)
    {
        fixed (byte* start = bytes)
        {
            while (true)
            {
                var sent = (int)Send(fd, start, (nuint)bytes.Length, DontWait | NoSignal | (moreFollows ? More : 0));
                if (sent >= 0 || Error != Interrupted)
                    return sent >= 0 ? sent : -Error;
            }
        }
    }

    /// <summary>
    /// Begins a non-blocking connect. Returns 0, or the negative error number, which may be <see cref="InProgress"/>.
    /// </summary>
    public static int Connect(int fd, ReadOnlySpan<byte> address)
    {
        var flags = Control(fd, GetFlags, 0);
        if (flags < 0 || Control(fd, SetFlags, flags | NonBlocking) < 0)
            return -Error;
        fixed (byte* start = address)
            return Connect(fd, start, (uint)address.Length) == 0 ? 0 : -Error;
    }

    /// <summary>The exception that .NET's sockets throw for an error number.</summary>
    public static SocketException ToException(int error) => new((int)(error switch
    {
        1 or 13 => SocketError.AccessDenied,
        12 or 105 => SocketError.NoBufferSpaceAvailable,
        32 => SocketError.Shutdown,
        99 => SocketError.AddressNotAvailable,
        101 => SocketError.NetworkUnreachable,
        103 => SocketError.ConnectionAborted,
        104 => SocketError.ConnectionReset,
        107 => SocketError.NotConnected,
        110 => SocketError.TimedOut,
        111 => SocketError.ConnectionRefused,
        112 => SocketError.HostDown,
        113 => SocketError.HostUnreachable,
        _ => SocketError.SocketError,
    }));

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(int poll, int operation, int fd, byte* e);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWait(int poll, byte* events, int max, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int fd, long* value, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseFd(int fd);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Recv(int fd, byte* into, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int fd, byte* bytes, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(int fd, byte* address, uint length);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int fd, int command, int argument);
}
