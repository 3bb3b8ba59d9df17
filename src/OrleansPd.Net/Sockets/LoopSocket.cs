using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Sockets;

/// <summary>
/// A connected TCP socket on a <see cref="SocketLoop"/>. Whoever waits for it goes on there, at once. One may read while another
/// writes, and anybody may close it; what waits then ends with an <see cref="ObjectDisposedException"/>.
/// </summary>
internal sealed class LoopSocket : IValueTaskSource, IValueTaskSource<int>, IDisposable
{
    /// <summary>Reads in a row that found something, after which other sockets have their turn.</summary>
    private const int MostInARow = 64;

    private const int MayRead = Libc.EpollIn | Ends;
    private const int MayWrite = Libc.EpollOut | Libc.EpollHup | Libc.EpollErr;
    private const int Ends = Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr;

    private readonly Socket _socket;
    private readonly SocketLoop _loop;
    private readonly ILoopWatch? _watch;
    private readonly int _fd;
    private readonly Lock _reading = new();
    private readonly Lock _writing = new();
    private ManualResetValueTaskSourceCore<int> _read;
    private ManualResetValueTaskSourceCore<bool> _written;
    private Memory<byte> _into;
    private ReadOnlyMemory<byte>[]? _segments;
    private ReadOnlyMemory<byte> _first;
    private int _segment;
    private int _inARow;
    private bool _readable;
    private bool _ended;
    private bool _isReading;
    private bool _isWriting;
    private bool _wasWritable;
    private int _disposed;

    /// <summary>Takes a socket over that nobody has read from or written to asynchronously.</summary>
    /// <param name="socket">Connected, or about to be.</param>
    /// <param name="watch">Is told of its end; null = nobody.</param>
    public LoopSocket(Socket socket, ILoopWatch? watch = null)
    {
        _socket = socket;
        _loop = SocketLoop.Next();
        _fd = (int)socket.Handle;
        _watch = watch;
    }

    /// <summary>Its name on the loop.</summary>
    public long Name { get; set; }

    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    /// <summary>Something has come, or its end, that was not read yet; as far as the loop has been told.</summary>
    public bool IsReadable => Volatile.Read(ref _readable);

    /// <summary>The other side sends no more; that lies behind what has come, and the loop is not told of it again.</summary>
    public bool HasEnded => Volatile.Read(ref _ended);

    /// <exception cref="SocketException">Nobody is there, or the name is not known.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public static async ValueTask<LoopSocket> ConnectAsync(EndPoint there, CancellationToken cancellationToken)
    {
        if (there is not DnsEndPoint name)
        {
            return await ConnectToAsync((IPEndPoint)there, cancellationToken).ConfigureAwait(false);
        }
        var addresses = await Dns.GetHostAddressesAsync(name.Host, cancellationToken).ConfigureAwait(false);
        for (var i = 0; ; i++)
        {
            try
            {
                var address = i < addresses.Length ? addresses[i] : throw new SocketException((int)SocketError.HostNotFound);
                return await ConnectToAsync(new IPEndPoint(address, name.Port), cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException) when (i < addresses.Length - 1)
            {
                // The host has more addresses.
            }
        }
    }

    /// <summary>From now on it is told what happens.</summary>
    /// <exception cref="IOException">The kernel cannot watch one more.</exception>
    public void Start() => _loop.Add(this, _fd);

    /// <summary>Reads what is there, or what comes first; 0 at the end. One at a time.</summary>
    /// <param name="into">Where there is none, the wait is for something to read, and the result is 0.</param>
    public ValueTask<int> ReceiveAsync(Memory<byte> into)
    {
        lock (_reading)
        {
            if (IsDisposed)
            {
                return ValueTask.FromException<int>(Closed());
            }
            if (_readable)
            {
                if (++_inARow > MostInARow && _loop.IsHere)
                {
                    _inARow = 0;
                    _loop.Again(this);
                }
                else if (into.IsEmpty)
                {
                    return new(0);
                }
                else if (TryRead(into.Span, out var read))
                {
                    return read >= 0 ? new(read) : ValueTask.FromException<int>(Libc.ToException(-read));
                }
            }
            (_into, _isReading) = (into, true);
            _read.Reset();
            return new(this, _read.Version);
        }
    }

    /// <summary>Reads what is there.</summary>
    /// <returns>False when there is nothing.</returns>
    /// <exception cref="SocketException">The connection broke.</exception>
    public bool TryReceive(Span<byte> into, out int read)
    {
        lock (_reading)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            read = 0;
            return _readable && TryRead(into, out read) && (read >= 0 ? true : throw Libc.ToException(-read));
        }
    }

    /// <summary>Sends all of it. One at a time.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes) => SendAsync(bytes, null);

    /// <summary>Sends all of it, one behind the other. One at a time.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte>[]? more)
    {
        lock (_writing)
        {
            if (IsDisposed)
            {
                return ValueTask.FromException(Closed());
            }
            (_first, _segments, _segment) = (first, more, 0);
            if (TryWrite(out var error))
            {
                return error == 0 ? default : ValueTask.FromException(Libc.ToException(error));
            }
            _isWriting = true;
            _written.Reset();
            return new(this, _written.Version);
        }
    }

    /// <summary>Something happened to it. Called by its loop.</summary>
    public void Happened(int events)
    {
        if ((events & MayRead) != 0)
        {
            ReadOn((events & Ends) != 0);
        }
        if ((events & MayWrite) != 0)
        {
            WriteOn();
        }
        if ((events & Ends) != 0)
        {
            _watch?.Ended((events & (Libc.EpollHup | Libc.EpollErr)) != 0);
        }
    }

    /// <summary>Whether nothing has come, asking the socket itself: its loop may not have been told yet.</summary>
    public bool PollIsQuiet() => !IsReadable && !_socket.Poll(0, SelectMode.SelectRead);

    /// <summary>Ends both directions in order: what was sent arrives before the end does.</summary>
    public void Shutdown()
    {
        try
        {
            if (!IsDisposed)
            {
                _socket.Shutdown(SocketShutdown.Both);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The other side was first.
        }
    }

    /// <summary>Ends it so that the other side knows it for broken; what was sent and has not arrived is lost.</summary>
    public void Reset() => Close(reset: true);

    public void Dispose() => Close(reset: false);

    int IValueTaskSource<int>.GetResult(short token) => _read.GetResult(token);

    void IValueTaskSource.GetResult(short token) => _written.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _written.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _written.OnCompleted(continuation, state, token, flags);

    private static ObjectDisposedException Closed() => new(nameof(LoopSocket), "The connection was closed.");

    private static async ValueTask<LoopSocket> ConnectToAsync(IPEndPoint there, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var socket = new Socket(there.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        LoopSocket? made = null;
        try
        {
            var address = there.Serialize();
            var begun = Libc.Connect((int)socket.Handle, address.Buffer.Span[..address.Size]);
            if (begun is not (0 or -Libc.InProgress))
            {
                throw Libc.ToException(-begun);
            }
            made = new LoopSocket(socket);
            made.Start();
            if (begun != 0)
            {
                await made.ConnectedAsync(cancellationToken).ConfigureAwait(false);
            }
            return made;
        }
        catch
        {
            made?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    private void Close(bool reset)
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }
        bool wasReading, wasWriting;
        // Whoever is in a call of the kernel has left it when the locks are had, and no one begins another.
        lock (_reading)
        {
            (wasReading, _isReading, _into) = (_isReading, false, default);
        }
        lock (_writing)
        {
            (wasWriting, _isWriting, _first, _segments) = (_isWriting, false, default, null);
        }
        if (Name != 0)
        {
            _loop.Remove(Name);
        }
        if (reset)
        {
            _socket.Close(timeout: 0);
        }
        else
        {
            _socket.Dispose();
        }
        if (wasReading || wasWriting)
        {
            // Not here: the one who closes may hold locks that those who wait need.
            ThreadPool.UnsafeQueueUserWorkItem(
                static end =>
                {
                    if (end.wasReading)
                    {
                        end.Item1._read.SetException(Closed());
                    }
                    if (end.wasWriting)
                    {
                        end.Item1._written.SetException(Closed());
                    }
                },
                (this, wasReading, wasWriting), preferLocal: false);
        }
    }

    private async ValueTask ConnectedAsync(CancellationToken cancellationToken)
    {
        var watch = cancellationToken.UnsafeRegister(static made => ((LoopSocket)made!).Dispose(), this);
        await using (watch.ConfigureAwait(false))
        {
            try
            {
                await WritableAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw;
            }
        }
        // It may have been closed just as it was connected.
        cancellationToken.ThrowIfCancellationRequested();
        if (_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) is int error and not 0)
        {
            throw new SocketException(error);
        }
    }

    /// <summary>
    /// Waits until the loop has told for the first time that something may be sent: then it is connected, or will not be.
    /// </summary>
    private ValueTask WritableAsync()
    {
        lock (_writing)
        {
            if (IsDisposed)
            {
                return ValueTask.FromException(Closed());
            }
            if (_wasWritable)
            {
                return default;
            }
            _isWriting = true;
            _written.Reset();
            return new(this, _written.Version);
        }
    }

    /// <summary>Under the lock. False when there is nothing; a negative number is an error's.</summary>
    private bool TryRead(Span<byte> into, out int read)
    {
        read = Libc.Receive(_fd, into);
        if (read == -Libc.Again)
        {
            _readable = false;
            return false;
        }
        // A read may find the end before the loop tells of it.
        _ended |= read == 0 && !into.IsEmpty;
        // What comes after a read that was not filled is told anew; the end is told once, and maybe was already.
        _readable = read == into.Length || _ended || read <= 0;
        return true;
    }

    private void ReadOn(bool ends)
    {
        int read;
        lock (_reading)
        {
            if (IsDisposed)
            {
                return;
            }
            (_readable, _inARow) = (true, 0);
            _ended |= ends;
            if (!_isReading)
            {
                return;
            }
            read = 0;
            if (!_into.IsEmpty && !TryRead(_into.Span, out read))
            {
                return;
            }
            (_isReading, _into) = (false, default);
        }
        if (read >= 0)
        {
            _read.SetResult(read);
        }
        else
        {
            _read.SetException(Libc.ToException(-read));
        }
    }

    /// <summary>Under the lock. True at the end, with the error or 0; false when the kernel takes no more for now.</summary>
    private bool TryWrite(out int error)
    {
        error = 0;
        while (true)
        {
            while (_first.IsEmpty)
            {
                if (_segments is null || _segment == _segments.Length)
                {
                    // Nor does an empty slice keep its array alive.
                    (_first, _segments) = (default, null);
                    return true;
                }
                _first = _segments[_segment++];
            }
            // Where nothing followed the promise of more, the kernel would hold the end back for 200 ms.
            while (_segments is not null && _segment < _segments.Length && _segments[_segment].IsEmpty)
            {
                _segment++;
            }
            var sent = Libc.Send(_fd, _first.Span, moreFollows: _segments is not null && _segment < _segments.Length);
            if (sent < 0)
            {
                if (sent == -Libc.Again)
                {
                    return false;
                }
                (error, _first, _segments) = (-sent, default, null);
                return true;
            }
            _first = _first[sent..];
        }
    }

    private void WriteOn()
    {
        int error;
        lock (_writing)
        {
            _wasWritable = true;
            if (!_isWriting || IsDisposed || !TryWrite(out error))
            {
                return;
            }
            _isWriting = false;
        }
        if (error == 0)
        {
            _written.SetResult(true);
        }
        else
        {
            _written.SetException(Libc.ToException(error));
        }
    }
}

/// <summary>Who is told of a connection's end though nobody reads.</summary>
internal interface ILoopWatch
{
    /// <summary>The other side sends no more.</summary>
    /// <param name="broken">Nor does it read: the connection is reset.</param>
    void Ended(bool broken);
}
