using System.Net.Sockets;

namespace OrleansPd.Net.Sockets;

/// <summary>
/// A connected TCP socket on a <see cref="SocketLoop"/>. Waits complete inline on the loop's thread. One caller may read while
/// another one writes, and any thread may close the socket; pending waits then end with an <see cref="ObjectDisposedException"/>.
/// </summary>
internal sealed partial class LoopSocket : IDisposable
{
    private const int ReadEvents = Libc.EpollIn | EndEvents;
    private const int WriteEvents = Libc.EpollOut | BreakEvents;
    private const int EndEvents = Libc.EpollRdHup | BreakEvents;
    private const int BreakEvents = Libc.EpollHup | Libc.EpollErr;

    private readonly SocketLoop _loop;
    private readonly Socket _socket;
    private readonly ILoopWatch? _watch;
    private readonly int _fd;
    private int _disposed;

    /// <param name="loop">Reports the socket's events, from <see cref="Start"/> on.</param>
    /// <param name="socket">Connected or connecting. It was not used for asynchronous calls before.</param>
    /// <param name="watch">Notified of the end of the connection; null = none.</param>
    public LoopSocket(SocketLoop loop, Socket socket, ILoopWatch? watch = null)
    {
        (_loop, _socket, _watch) = (loop, socket, watch);
        _fd = (int)socket.Handle;
    }

    /// <summary>Its name on the loop; 0 = not registered.</summary>
    public long Name { get; set; }

    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    /// <summary>Registers the socket with its loop.</summary>
    /// <exception cref="IOException">The kernel cannot watch one more socket, or the loop has ended.</exception>
    public void Start() => _loop.Add(this, _fd);

    public void OnEvents(int events)
    {
        if ((events & ReadEvents) != 0)
            OnReadable((events & EndEvents) != 0);
        if ((events & WriteEvents) != 0)
            OnWritable();
        if ((events & EndEvents) != 0)
            _watch?.Ended((events & BreakEvents) != 0);
    }

    /// <summary>Closes the socket after a continuation of it threw. Called by the loop.</summary>
    public void Fail()
    {
        Reset();
        try
        {
            _watch?.Ended(broken: true);
        }
        catch (Exception)
        {
            // It may be what threw before. The loop reports that exception.
        }
    }

    /// <summary>Ends both directions in order: sent bytes are delivered before the end.</summary>
    public void Shutdown()
    {
        try
        {
            if (!IsDisposed)
                _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The peer has closed the connection already.
        }
    }

    /// <summary>
    /// Closes the connection with a TCP reset: undelivered bytes are lost, and the peer sees a broken connection.
    /// </summary>
    public void Reset() => Close(reset: true);

    public void Dispose() => Close(reset: false);

    private static ObjectDisposedException Closed() => new(nameof(LoopSocket), "The connection was closed.");

    private void Close(bool reset)
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        bool wasReading, wasWriting;
        // With both locks taken once, no thread is in a system call on the socket, and none begins another one.
        lock (_readGate)
            (wasReading, _isReading, _into) = (_isReading, false, default);
        lock (_writeGate)
            (wasWriting, _isWriting, _send) = (_isWriting, false, default);
        if (Name != 0)
            _loop.Remove(Name);
        if (reset)
            _socket.Close(timeout: 0);
        else
            _socket.Dispose();
        if (wasReading || wasWriting)
        {
            // On another thread: the caller may hold locks that the continuations need.
            ThreadPool.UnsafeQueueUserWorkItem(
                static end => end.socket.CompleteClosed(end.wasReading, end.wasWriting),
                (socket: this, wasReading, wasWriting), preferLocal: false);
        }
    }

    private void CompleteClosed(bool wasReading, bool wasWriting)
    {
        if (wasReading)
            _readSource.SetException(Closed());
        if (wasWriting)
            _writeSource.SetException(Closed());
    }
}
