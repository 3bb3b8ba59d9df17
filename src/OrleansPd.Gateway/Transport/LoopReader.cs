using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using Microsoft.AspNetCore.Connections;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// What a client sends. Bytes are read when somebody wants them, into one array that grows; a connection on which nothing comes
/// holds none. The kernel holds back a client that sends more than is read.
/// </summary>
internal sealed class LoopReader(LoopConnection connection, LoopSocket socket) : PipeReader, IValueTaskSource<ReadResult>
{
    /// <summary>Holds a head with a short body; what fills it gets more the next time.</summary>
    private const int FirstBuffer = 4096;

    private const int MostBuffer = 256 * 1024;

    /// <summary>So much is read of what nobody asked for, to see whether the client is gone.</summary>
    private const int MostAhead = 64 * 1024;

    /// <summary>So much is taken off when the connection is closed; Kestrel's own transport has as much read by then.</summary>
    private const int MostDrained = 1024 * 1024;

    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<ReadResult> _waiter;
    private ValueTaskAwaiter<int> _readable;
    private CancellationTokenRegistration _watch;
    private Action? _goOn;
    private byte[] _buffer = [];
    private Memory<byte> _target;
    private Exception? _error;
    private int _room = FirstBuffer;
    private int _start;
    private int _end;
    private int _examined;
    private bool _isOwn;
    private bool _isHandedOut;
    private bool _isWaiting;
    private bool _isWatching;
    private bool _isCancelled;
    private bool _isEnded;
    private bool _isCompleted;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }
        short version;
        lock (_gate)
        {
            try
            {
                if (TryTake(out var result))
                {
                    return new(result);
                }
            }
            catch (Exception e)
            {
                return ValueTask.FromException<ReadResult>(e);
            }
            _waiter.Reset();
            (_isWaiting, version) = (true, _waiter.Version);
        }
        if (cancellationToken.CanBeCanceled)
        {
            _watch = cancellationToken.UnsafeRegister(static (reader, token) => ((LoopReader)reader!).GiveUp(token), this);
        }
        Wait();
        return new(this, version);
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (_gate)
        {
            return TryTake(out result);
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        lock (_gate)
        {
            _isHandedOut = false;
            if (consumed.GetObject() is null && examined.GetObject() is null)
            {
                return;
            }
            _start = Math.Max(_start, consumed.GetInteger());
            _examined = Math.Max(_start, examined.GetInteger());
            if (_start == _end)
            {
                GiveBack();
            }
            if (socket.HasEnded)
            {
                // That was told while too much lay in front of it, and nobody may read any more while the request runs.
                ReadAhead();
            }
        }
    }

    public override void CancelPendingRead()
    {
        ReadResult result;
        lock (_gate)
        {
            _isCancelled = true;
            if (!_isWaiting || _isCompleted)
            {
                return;
            }
            _ = TryTake(out result);
            _isWaiting = false;
        }
        // Not here: the one who cancels may hold locks, or be the server's only clock.
        ThreadPool.UnsafeQueueUserWorkItem(
            static end => end.reader._waiter.SetResult(end.result), (reader: this, result), preferLocal: false);
    }

    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _isCompleted = true;
        }
    }

    /// <inheritdoc cref="IBodyTarget.ReceiveInto"/>
    public void ReceiveInto(Memory<byte> rest)
    {
        lock (_gate)
        {
            // What was read ahead comes first, and is copied from where it lies.
            _target = _start == _end ? rest : default;
            if (!_isOwn && rest.IsEmpty && _buffer.Length > 0)
            {
                LeaveTarget();
            }
        }
    }

    /// <summary>
    /// Reads what has come though nobody asked for it, to see whether the client is gone. Whoever waits is told by the socket as
    /// well, and finds it here.
    /// </summary>
    public void ReadAhead()
    {
        lock (_gate)
        {
            while (!_isEnded && _error is null && !_isCompleted && _end - _start < MostAhead && TryReceive())
            {
                // There may be more, and the end behind it.
            }
        }
    }

    /// <summary>
    /// Takes off what has come and nobody will read: a socket that is closed over it resets the connection, and the client would
    /// lose the end of its answer.
    /// </summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isCompleted = true;
            if (_isEnded || socket.IsDisposed || !socket.IsReadable)
            {
                return;
            }
            var into = ArrayPool<byte>.Shared.Rent(MostAhead);
            try
            {
                for (var most = MostDrained; most > 0 && socket.TryReceive(into, out var read) && read > 0; most -= read)
                {
                    // Nobody wants it.
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // It was ended otherwise.
            }
            ArrayPool<byte>.Shared.Return(into);
        }
    }

    /// <summary>The connection has ended, and nobody reads any more.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _isCompleted = true;
            if (!_isHandedOut && !_isWaiting)
            {
                GiveBack();
            }
        }
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        // Before the next read can begin: a callback that is running just now is waited for.
        _watch.Dispose();
        _watch = default;
        return _waiter.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _waiter.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    /// <summary>Lets the socket say when there is something, unless it is to do so already.</summary>
    private void Wait()
    {
        ValueTaskAwaiter<int> readable;
        do
        {
            lock (_gate)
            {
                if (!_isWaiting || _isWatching)
                {
                    return;
                }
                _readable = readable = socket.ReceiveAsync(default).GetAwaiter();
                _isWatching = true;
            }
            if (!readable.IsCompleted)
            {
                readable.UnsafeOnCompleted(_goOn ??= GoOn);
                return;
            }
        }
        while (Came());
    }

    private void GoOn()
    {
        if (Came())
        {
            Wait();
        }
    }

    /// <summary>The socket says that there is something.</summary>
    /// <returns>Whether it is to be waited for again.</returns>
    private bool Came()
    {
        ReadResult result;
        Exception? failed = null;
        lock (_gate)
        {
            // Together: as soon as nobody is seen to watch, the next may begin to, on the same source.
            _isWatching = false;
            try
            {
                _ = _readable.GetResult();
            }
            catch (Exception e)
            {
                _error ??= Seen(e);
            }
            if (!_isWaiting)
            {
                return false;
            }
            try
            {
                if (!TryTake(out result))
                {
                    return true;
                }
            }
            catch (Exception e)
            {
                (result, failed) = (default, e);
            }
            _isWaiting = false;
        }
        if (failed is null)
        {
            _waiter.SetResult(result);
        }
        else
        {
            _waiter.SetException(failed);
        }
        return false;
    }

    private void GiveUp(CancellationToken token)
    {
        lock (_gate)
        {
            if (!_isWaiting)
            {
                return;
            }
            _isWaiting = false;
        }
        ThreadPool.UnsafeQueueUserWorkItem(
            static end => end.reader._waiter.SetException(new OperationCanceledException(end.token)),
            (reader: this, token), preferLocal: false);
    }

    /// <summary>Under the lock. What has not been seen yet, or what is at hand; false when there is nothing.</summary>
    private bool TryTake(out ReadResult result)
    {
        if (_isCompleted)
        {
            throw new InvalidOperationException("The connection is not read any more.");
        }
        if (_end <= _examined && !_isEnded && !_isCancelled && _error is null && !TryReceive())
        {
            result = default;
            return false;
        }
        if (_error is not null && _end <= _examined && !_isCancelled)
        {
            throw _error;
        }
        result = new ReadResult(
            _end > _start ? new ReadOnlySequence<byte>(_buffer, _start, _end - _start) : default, _isCancelled, _isEnded);
        (_isCancelled, _isHandedOut) = (false, true);
        return true;
    }

    /// <summary>Under the lock. Reads once; false when there is nothing to read.</summary>
    private bool TryReceive()
    {
        try
        {
            if (!socket.IsReadable)
            {
                return false;
            }
            if (_start == _end && _target.Length > 0 && MemoryMarshal.TryGetArray<byte>(_target, out var array))
            {
                GiveBack();
                (_buffer, _isOwn) = (array.Array!, false);
                _start = _end = _examined = array.Offset;
            }
            var most = _isOwn ? _buffer.Length : _end + _target.Length;
            if (_end == most)
            {
                MakeRoom();
                most = _buffer.Length;
            }
            if (!socket.TryReceive(_buffer.AsSpan(_end, most - _end), out var read))
            {
                if (_start == _end)
                {
                    GiveBack();
                }
                return false;
            }
            _end += read;
            if (_isOwn)
            {
                _room = _end == most ? Math.Min(_room * 4, MostBuffer) : _room;
            }
            else
            {
                _target = _target[read..];
            }
            if (read == 0)
            {
                _isEnded = true;
                connection.NotifyClosed();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _error = Seen(e);
            connection.NotifyClosed();
        }
        return true;
    }

    /// <summary>
    /// Under the lock. A larger array, in which all lies where it lay: those who were handed the old one say where they are by
    /// numbers, and may still read it, so that it does not go back to the pool.
    /// </summary>
    private void MakeRoom()
    {
        if (_start == _end)
        {
            GiveBack();
            (_buffer, _isOwn) = (ArrayPool<byte>.Shared.Rent(_room), true);
            return;
        }
        if (!_isHandedOut && _start > 0)
        {
            var shifted = ArrayPool<byte>.Shared.Rent(Math.Max(_room, (_end - _start) * 2));
            _buffer.AsSpan(_start, _end - _start).CopyTo(shifted);
            if (_isOwn)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
            }
            (_examined, _end, _start) = (_examined - _start, _end - _start, 0);
            (_buffer, _isOwn) = (shifted, true);
            return;
        }
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_room, _end * 2));
        _buffer.AsSpan(_start, _end - _start).CopyTo(larger.AsSpan(_start));
        if (_isOwn && !_isHandedOut)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
        (_buffer, _isOwn) = (larger, true);
    }

    /// <summary>Under the lock. The target's array is given up: what lies in it unread comes along.</summary>
    private void LeaveTarget()
    {
        if (_start == _end)
        {
            GiveBack();
            return;
        }
        MakeRoom();
    }

    /// <summary>Under the lock. All has been consumed.</summary>
    private void GiveBack()
    {
        if (_isOwn && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
        (_buffer, _isOwn) = ([], true);
        _start = _end = _examined = 0;
    }

    private Exception Seen(Exception e) =>
        e is ObjectDisposedException || connection.Aborted is not null
            ? connection.Aborted ?? new ConnectionAbortedException("The connection was closed.")
            : new ConnectionResetException("The client broke the connection.", e);
}
