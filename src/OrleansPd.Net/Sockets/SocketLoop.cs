namespace OrleansPd.Net.Sockets;

/// <summary>
/// An event loop: a thread that waits for sockets with edge-triggered epoll and runs their continuations inline. No other thread
/// is woken, and a socket is read only when it is readable. Continuations must not block.
/// </summary>
internal sealed unsafe class SocketLoop
{
    private const int MaxEvents = 256;

    /// <summary>Data of the event that wakes the loop. No socket has this name, as slot 0 stays empty.</summary>
    private const long WakeName = 0;

    private readonly SocketLoops _owner;
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();
    private readonly Queue<LoopSocket> _deferred = new();
    private readonly Thread _thread;
    private readonly int _poll;
    private readonly int _wake;
    private volatile LoopSocket?[] _sockets = new LoopSocket?[64];
    private volatile bool _stopping;
    private bool _ended;
    private int _used = 1;
    private uint _uses;
    private long _events;
    private int _count;

    public SocketLoop(SocketLoops owner, int number)
    {
        _owner = owner;
        _poll = Libc.CreatePoll();
        _wake = Libc.CreateEvent();
        Libc.Watch(_poll, _wake, WakeName);
        _thread = new Thread(Run) { IsBackground = true, Name = $"sockets {number}" };
        _thread.UnsafeStart();
    }

    public int Sockets => Volatile.Read(ref _count);
    public long Events => Volatile.Read(ref _events);

    /// <summary>Number of sockets that gave way to others and are still readable.</summary>
    public int Deferred => _deferred.Count;

    /// <summary>Whether the caller runs on this loop's thread.</summary>
    public bool IsCurrentThread => Thread.CurrentThread == _thread;

    /// <summary>Registers a socket: from now on its events are reported, under a name by which it must be removed.</summary>
    /// <exception cref="IOException">The kernel cannot watch one more socket, or the loop has ended.</exception>
    public void Add(LoopSocket socket, int fd)
    {
        lock (_gate)
        {
            if (_ended)
                throw new IOException("The event loop has ended.");
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
            // The upper half distinguishes the socket from the slot's previous one, whose events may still be queued.
            var name = ((long)++_uses << 32) | (uint)slot;
            (socket.Name, _sockets[slot]) = (name, socket);
            _count++;
            try
            {
                // Under the lock, so that the loop cannot end and close its file descriptor meanwhile.
                Libc.Watch(_poll, fd, name);
            }
            catch
            {
                socket.Name = 0;
                Remove(name);
                throw;
            }
        }
    }

    /// <summary>Must be called before the socket is closed.</summary>
    public void Remove(long name)
    {
        lock (_gate)
        {
            _sockets[(int)name] = null;
            _free.Push((int)name);
            _count--;
        }
    }

    /// <summary>
    /// Reports the socket as readable once more, after the sockets of the current events. Only on this loop's thread.
    /// </summary>
    public void Defer(LoopSocket socket) => _deferred.Enqueue(socket);

    /// <summary>Ends the loop and closes its sockets. Waits for the thread, unless called on it.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            if (!_ended)
                Libc.Signal(_wake);
        }
        if (!IsCurrentThread)
            _thread.Join();
    }

    private void Run()
    {
        try
        {
            HandleEvents();
        }
        catch (Exception e)
        {
            _owner.OnLoopDied(e);
        }
        LoopSocket?[] left;
        lock (_gate)
        {
            (_ended, left) = (true, _sockets);
            Libc.Close(_wake);
            Libc.Close(_poll);
        }
        foreach (var socket in left)
            socket?.Dispose();
    }

    private void HandleEvents()
    {
        var events = stackalloc byte[MaxEvents * 16];
        while (!_stopping)
        {
            var count = Libc.Wait(_poll, events, MaxEvents, forEver: _deferred.Count == 0);
            _events += count;
            for (var e = events; count > 0; count--, e += Libc.EventSize)
            {
                var name = *(long*)(e + Libc.EventData);
                if (_sockets[(int)name] is { } socket && socket.Name == name)
                    Handle(socket, *(int*)e);
            }
            for (var deferred = _deferred.Count; deferred > 0; deferred--)
                Handle(_deferred.Dequeue(), Libc.EpollIn);
        }
    }

    /// <summary>An exception closes this socket only: the others are not affected by it.</summary>
    private void Handle(LoopSocket socket, int events)
    {
        try
        {
            socket.OnEvents(events);
        }
        catch (Exception e)
        {
            socket.Fail();
            _owner.OnSocketFailed(e);
        }
    }
}
