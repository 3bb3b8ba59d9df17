using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Sockets;

/// <summary>The receiving side. A wait allocates nothing: the socket is its own value-task source.</summary>
internal sealed partial class LoopSocket : IValueTaskSource<int>
{
    /// <summary>Maximum number of successive reads that return data, before other sockets are handled.</summary>
    private const int MaxConsecutiveReads = 64;

    private readonly Lock _readGate = new();
    private ManualResetValueTaskSourceCore<int> _readSource;
    private Memory<byte> _into;
    private int _consecutiveReads;
    private bool _readable;
    private bool _ended;
    private bool _isReading;

    /// <summary>Bytes or the end have arrived and were not read yet, as far as the loop has reported.</summary>
    public bool IsReadable => Volatile.Read(ref _readable);

    /// <summary>The peer sends no more. Unread bytes may lie before that end; the loop does not report it again.</summary>
    public bool HasEnded => Volatile.Read(ref _ended);

    /// <summary>Receives available bytes, or waits for some; 0 at the end. One call at a time.</summary>
    /// <param name="into">Empty: waits until the socket is readable and returns 0.</param>
    public ValueTask<int> ReceiveAsync(Memory<byte> into)
    {
        lock (_readGate)
        {
            if (IsDisposed)
                return ValueTask.FromException<int>(Closed());
            if (_readable)
            {
                if (++_consecutiveReads > MaxConsecutiveReads && _loop.IsCurrentThread)
                {
                    _consecutiveReads = 0;
                    _loop.Defer(this);
                }
                else if (into.IsEmpty)
                {
                    return new(0);
                }
                else if (TryReadLocked(into.Span, out var read))
                {
                    return read >= 0 ? new(read) : ValueTask.FromException<int>(Libc.ToException(-read));
                }
            }
            (_into, _isReading) = (into, true);
            _readSource.Reset();
            return new(this, _readSource.Version);
        }
    }

    /// <summary>Receives available bytes.</summary>
    /// <returns>False when there are none.</returns>
    /// <exception cref="SocketException">The connection failed.</exception>
    public bool TryReceive(Span<byte> into, out int read)
    {
        lock (_readGate)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            read = 0;
            return _readable && TryReadLocked(into, out read) && (read >= 0 ? true : throw Libc.ToException(-read));
        }
    }

    /// <summary>Whether nothing has arrived. Polls the socket, as the loop may not have reported it yet.</summary>
    public bool PollIsQuiet() => !IsReadable && !_socket.Poll(0, SelectMode.SelectRead);

    int IValueTaskSource<int>.GetResult(short token) => _readSource.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _readSource.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _readSource.OnCompleted(continuation, state, token, flags);

    /// <summary>False when nothing is available. A negative <paramref name="read"/> is an error number.</summary>
    private bool TryReadLocked(Span<byte> into, out int read)
    {
        read = Libc.Receive(_fd, into);
        if (read == -Libc.Again)
        {
            _readable = false;
            return false;
        }
        // A read may find the end before the loop reports it.
        _ended |= read == 0 && !into.IsEmpty;
        // Edge-triggered epoll reports new data after a short read, so a short read means "not readable". The end is reported
        // once and may have been reported already: then stay readable.
        _readable = read == into.Length || _ended || read <= 0;
        return true;
    }

    private void OnReadable(bool ends)
    {
        int read;
        lock (_readGate)
        {
            if (IsDisposed)
                return;
            (_readable, _consecutiveReads) = (true, 0);
            _ended |= ends;
            if (!_isReading)
                return;
            read = 0;
            if (!_into.IsEmpty && !TryReadLocked(_into.Span, out read))
                return;
            (_isReading, _into) = (false, default);
        }
        if (read >= 0)
            _readSource.SetResult(read);
        else
            _readSource.SetException(Libc.ToException(-read));
    }
}
