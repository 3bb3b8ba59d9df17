using System.ComponentModel;
using System.Runtime.InteropServices;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// The few calls of libc that the load needs: sockets without anything between, epoll, and CPU affinity. Linux only.
/// </summary>
internal static unsafe partial class Native
{
    public const int EpollIn = 1;
    public const int EpollOut = 4;
    public const int Again = 11;
    public const int InProgress = 115;
    private const int Inet = 2;
    private const int Stream = 1;
    private const int NonBlock = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int NoSignal = 0x4000;

    public static int LastError => Marshal.GetLastSystemError();

    public static int Listen(string address, int port, out int bound)
    {
        var fd = Check(Socket(Inet, Stream | NonBlock | CloseOnExec, 0), "socket");
        var one = 1;
        Check(SetOption(fd, 1, 2, &one, sizeof(int)), "SO_REUSEADDR");
        var name = Address.Of(address, port);
        Check(Bind(fd, &name, sizeof(Address)), $"bind to {address}:{port}");
        Check(Listen(fd, 4096), "listen");
        var length = sizeof(Address);
        Check(GetName(fd, &name, &length), "getsockname");
        bound = (ushort)(name.Port << 8 | name.Port >> 8);
        return fd;
    }

    /// <summary>-1 when there is nobody to accept.</summary>
    public static int Accept(int listener)
    {
        var fd = Accept4(listener, null, null, NonBlock | CloseOnExec);
        if (fd >= 0)
            NoDelay(fd);
        else if (LastError is not (Again or 103 or 4))
            Check(fd, "accept");
        return fd;
    }

    public static int Connect(string address, int port)
    {
        var fd = Check(Socket(Inet, Stream | NonBlock | CloseOnExec, 0), "socket");
        NoDelay(fd);
        var name = Address.Of(address, port);
        if (Connect(fd, &name, sizeof(Address)) < 0 && LastError != InProgress)
            Check(-1, $"connect to {address}:{port}");
        return fd;
    }

    /// <summary>Bytes read; 0 at the end; -1 when there is nothing; -2 when the connection broke.</summary>
    public static int Receive(int fd, byte* buffer, int length)
    {
        var read = (int)Recv(fd, buffer, (nuint)length, 0);
        return read >= 0 ? read : LastError == Again ? -1 : -2;
    }

    /// <summary>Bytes taken, 0 when there is no room, -2 when the connection broke.</summary>
    public static int Send(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            var sent = (int)Send(fd, start, (nuint)bytes.Length, NoSignal);
            return sent >= 0 ? sent : LastError == Again ? 0 : -2;
        }
    }

    public static int CreatePoll() => Check(EpollCreate(CloseOnExec), "epoll_create1");

    public static void Watch(int poll, int fd, int events, bool isNew)
    {
        var e = new PollEvent { Events = events, Fd = fd };
        Check(EpollControl(poll, isNew ? 1 : 3, fd, &e), "epoll_ctl");
    }

    /// <param name="timeout">Nanoseconds; negative = for ever.</param>
    public static int Wait(int poll, Span<PollEvent> events, long timeout)
    {
        var time = new TimeSpec { Seconds = timeout / 1_000_000_000, Nanoseconds = timeout % 1_000_000_000 };
        fixed (PollEvent* first = events)
        {
            var count = EpollWait(poll, first, events.Length, timeout < 0 ? null : &time, null);
            return count < 0 && LastError == 4 ? 0 : Check(count, "epoll_pwait2");
        }
    }

    public static int CreateBell() => Check(EventFd(0, NonBlock | CloseOnExec), "eventfd");

    public static void Signal(int bell)
    {
        long one = 1;
        _ = Write(bell, &one, sizeof(long));
    }

    public static void Silence(int bell)
    {
        long count;
        _ = Read(bell, &count, sizeof(long));
    }

    /// <summary>Puts all threads of this process, and those they will start, on one core.</summary>
    public static void Pin(int core)
    {
        var mask = stackalloc ulong[16];
        new Span<ulong>(mask, 16).Clear();
        mask[core / 64] = 1UL << (core % 64);
        foreach (var thread in Directory.GetDirectories("/proc/self/task"))
            _ = SetAffinity(int.Parse(Path.GetFileName(thread)), 128, mask);
    }

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int fd);

    private static void NoDelay(int fd)
    {
        var one = 1;
        _ = SetOption(fd, 6, 1, &one, sizeof(int));
    }

    private static int Check(int result, string what) =>
        result >= 0 ? result : throw new IOException($"{what}: {new Win32Exception(LastError).Message}");

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(int fd, int level, int name, int* value, int length);

    [LibraryImport("libc", EntryPoint = "bind")]
    private static partial int Bind(int fd, Address* name, int length);

    [LibraryImport("libc", EntryPoint = "listen")]
    private static partial int Listen(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    private static partial int GetName(int fd, Address* name, int* length);

    [LibraryImport("libc", EntryPoint = "accept4")]
    private static partial int Accept4(int fd, Address* name, int* length, int flags);

    [LibraryImport("libc", EntryPoint = "connect")]
    private static partial int Connect(int fd, Address* name, int length);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Recv(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    private static partial int EpollControl(int poll, int operation, int fd, PollEvent* e);

    [LibraryImport("libc", EntryPoint = "epoll_pwait2")]
    private static partial int EpollWait(int poll, PollEvent* events, int most, TimeSpec* timeout, void* signals);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial int EventFd(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int fd, void* bytes, nuint length);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int fd, void* bytes, nuint length);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint length, ulong* mask);

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    public struct PollEvent
    {
        public int Events;
        public int Fd;
        private readonly int _padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Address
    {
        public ushort Family;
        public ushort Port;
        public uint Host;
        private readonly ulong _zero;

        public static Address Of(string address, int port)
        {
            var bytes = System.Net.IPAddress.Parse(address).GetAddressBytes();
            return new()
            {
                Family = Inet,
                Port = (
                ushort)((ushort)port << 8 | (ushort)port >> 8),
                Host = BitConverter.ToUInt32(bytes)
            };
        }
    }
}
