using System.Collections.Concurrent;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// One thread that waits on sockets and on a pace: both ends of the load run in it, so that no third thing is measured.
/// </summary>
internal sealed unsafe class EventLoop : IDisposable
{
    private const int ScratchBytes = 1 << 20;
    private readonly int _poll = Native.CreatePoll();
    private readonly int _signal = Native.CreateBell();
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchBytes, pinned: true);
    private readonly PriorityQueue<IPaced, long> _due = new();
    private readonly Thread _thread;
    private ISocketHandler?[] _handlers = new ISocketHandler?[1024];
    private volatile bool _stopped;

    public EventLoop()
    {
        Native.Watch(_poll, _signal, Native.EpollIn, isNew: true);
        _thread = new Thread(Run) { IsBackground = true, Name = "load" };
        _thread.Start();
    }

    /// <summary>Why the loop ended; null while it runs.</summary>
    public Exception? Failure { get; private set; }

    public static long Now => System.Diagnostics.Stopwatch.GetTimestamp(); // nanoseconds on Linux

    /// <summary>Memory for one read, shared by all: what is to be kept must be copied.</summary>
    public Span<byte> Scratch => _scratch;

    public void Post(Action action)
    {
        _posted.Enqueue(action);
        Native.Signal(_signal);
    }

    /// <summary>Runs in the loop and waits for it.</summary>
    public T Ask<T>(Func<T> question)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() => answer.SetResult(question()));
        return Wait(answer.Task);
    }

    /// <summary>Waits for something that the loop brings about; fails when the loop has died.</summary>
    public T Wait<T>(Task<T> task)
    {
        while (!task.Wait(200))
        {
            if (Failure is { } failure)
                throw new InvalidOperationException("The load's event loop died.", failure);
        }
        return task.Result;
    }

    public void Add(int fd, ISocketHandler handler, int events = Native.EpollIn)
    {
        if (fd >= _handlers.Length)
            Array.Resize(ref _handlers, Math.Max(fd + 1, _handlers.Length * 2));
        _handlers[fd] = handler;
        Native.Watch(_poll, fd, events, isNew: true);
    }

    public void Change(int fd, int events) => Native.Watch(_poll, fd, events, isNew: false);

    public void Close(int fd)
    {
        _handlers[fd] = null;
        _ = Native.Close(fd);
    }

    public void At(long time, IPaced paced) => _due.Enqueue(paced, time);

    /// <summary>One read into <see cref="Scratch"/>: see <see cref="Native.Receive"/>.</summary>
    public int Receive(int fd)
    {
        fixed (byte* start = _scratch)
            return Native.Receive(fd, start, ScratchBytes);
    }

    public void Dispose()
    {
        _stopped = true;
        Native.Signal(_signal);
        _thread.Join();
        _ = Native.Close(_poll);
        _ = Native.Close(_signal);
    }

    private void Run()
    {
        try
        {
            Span<Native.PollEvent> events = new Native.PollEvent[512];
            while (!_stopped)
            {
                var pause = _due.TryPeek(out _, out var next) ? Math.Max(0, next - Now) : -1;
                var count = Native.Wait(_poll, events, pause);
                foreach (ref readonly var e in events[..count])
                {
                    if (e.Fd == _signal)
                    {
                        Native.Silence(_signal);
                        while (_posted.TryDequeue(out var action))
                            action();
                        continue;
                    }
                    _handlers[e.Fd]?.Ready(e.Events);
                }
                while (_due.TryPeek(out var due, out next) && Now is var now && next <= now)
                {
                    _ = _due.Dequeue();
                    due.Due(now);
                }
            }
        }
        catch (Exception e)
        {
            Failure = e;
        }
    }
}

internal interface ISocketHandler
{
    void Ready(int events);
}

internal interface IPaced
{
    void Due(long now);
}
