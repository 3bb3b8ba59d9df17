namespace OrleansPd.Net.Sockets;

/// <summary>
/// A thread that waits for sockets, and runs at once what waits for them: no thread is woken for it, and a socket is asked only
/// when there is something. What runs here must not block.
/// </summary>
internal sealed unsafe class SocketLoop
{
    private const int EventsAtOnce = 256;

    private static readonly Lazy<SocketLoop[]> Loops = new(StartAll);
    private static int _next;

    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();
    private readonly Queue<LoopSocket> _again = new();
    private readonly int _poll = Libc.CreatePoll();
    private readonly Thread _thread;
    private volatile LoopSocket?[] _sockets = new LoopSocket?[64];
    private int _used;
    private uint _uses;

    private SocketLoop(int number)
    {
        _thread = new Thread(Run) { IsBackground = true, Name = $"sockets {number}" };
        _thread.UnsafeStart();
    }

    /// <summary>Whether this machine has what it takes: Linux on x86-64 or ARM64.</summary>
    public static bool IsSupported => Libc.IsKnown;

    /// <summary>Whether the caller runs on this loop's thread.</summary>
    public bool IsHere => Thread.CurrentThread == _thread;

    /// <summary>The loop for one more socket: they take turns. There is one for each core.</summary>
    public static SocketLoop Next()
    {
        var loops = Loops.Value;
        return loops[(uint)Interlocked.Increment(ref _next) % (uint)loops.Length];
    }

    /// <summary>From now on the socket is told what happens to it, by a name it must be removed with.</summary>
    /// <exception cref="IOException">The kernel cannot watch one more.</exception>
    public void Add(LoopSocket socket, int fd)
    {
        long name;
        lock (_gate)
        {
            if (!_free.TryPop(out var slot))
            {
                slot = _used++;
                if (slot == _sockets.Length)
                {
                    var larger = new LoopSocket?[slot * 2];
                    _sockets.CopyTo(larger, 0);
                    _sockets = larger;
                }
            }
            // The upper half tells a socket from the one that had its place before: events of that one may be on their way.
            name = ((long)++_uses << 32) | (uint)slot;
            socket.Name = name;
            _sockets[slot] = socket;
        }
        try
        {
            Libc.Watch(_poll, fd, name);
        }
        catch
        {
            socket.Name = 0;
            Remove(name);
            throw;
        }
    }

    /// <summary>To be called before the socket is closed.</summary>
    public void Remove(long name)
    {
        lock (_gate)
        {
            _sockets[(int)name] = null;
            _free.Push((int)name);
        }
    }

    /// <summary>
    /// Tells the socket once more that it can be read, when all others have had their turn. Only on this thread.
    /// </summary>
    public void Again(LoopSocket socket) => _again.Enqueue(socket);

    private static SocketLoop[] StartAll()
    {
        var loops = new SocketLoop[Environment.ProcessorCount];
        for (var i = 0; i < loops.Length; i++)
        {
            loops[i] = new SocketLoop(i);
        }
        return loops;
    }

    private void Run()
    {
        var events = stackalloc byte[EventsAtOnce * 16];
        while (true)
        {
            var count = Libc.Wait(_poll, events, EventsAtOnce, forEver: _again.Count == 0);
            for (var e = events; count > 0; count--, e += Libc.EventSize)
            {
                var name = *(long*)(e + Libc.EventData);
                if (_sockets[(int)name] is { } socket && socket.Name == name)
                {
                    socket.Happened(*(int*)e);
                }
            }
            for (var waiting = _again.Count; waiting > 0; waiting--)
            {
                _again.Dequeue().Happened(Libc.EpollIn);
            }
        }
    }
}
