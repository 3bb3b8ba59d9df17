using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using Microsoft.AspNetCore.Connections;
using OrleansPd.Engines.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// What a client sends. Bytes are read when somebody wants them, into one array that grows; a connection on which nothing comes holds
/// none. The kernel holds back a client that sends more than is read.
/// </summary>
internal sealed class LoopReader(LoopConnection connection, LoopSocket socket) : PipeReader, IValueTaskSource<ReadResult>
{
    /// <summary>Holds a head with a short body; what fills it gets more the next time.</summary>
    private const int FirstBuffer = 4096;

    private const int MostBuffer = 256 * 1024;

    /// <summary>So much is read of what nobody asked for, to see whether the client is gone.</summary>
    private const int MostAhead = 64 * 1024;

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
        }
    }

    public override void CancelPendingRead()
    {
        ReadResult result;
        lock (_gate)
        {
            _isCancelled = true;
            if (!_isWaiting)
            {
                return;
            }
            _ = TryTake(out result);
            _isWaiting = false;
        }
        _waiter.SetResult(result);
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
            _target = rest;
        }
    }

    /// <summary>Reads what has come though nobody asked for it.</summary>
    /// <returns>Whether the client's end lies behind it.</returns>
    public bool ReadAhead()
    {
        lock (_gate)
        {
            // Whoever waits for it reads it, and sees its end.
            while (!_isEnded && _error is null && !_isWaiting && !_isCompleted && _end - _start < MostAhead)
            {
                if (!TryReceive())
                {
                    break;
                }
            }
            return _isEnded || _error is not null;
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
            bool isThere;
            lock (_gate)
            {
                if (!_isWaiting || _isWatching)
                {
                    return;
                }
                readable = socket.ReceiveAsync(default).GetAwaiter();
                isThere = readable.IsCompleted;
                if (!isThere)
                {
                    (_readable, _isWatching) = (readable, true);
                }
            }
            if (!isThere)
            {
                readable.UnsafeOnCompleted(_goOn ??= GoOn);
                return;
            }
        }
        while (Came(readable));
    }

    private void GoOn()
    {
        lock (_gate)
        {
            _isWatching = false;
        }
        if (Came(_readable))
        {
            Wait();
        }
    }

    /// <summary>The socket says that there is something.</summary>
    /// <returns>Whether it is to be waited for again.</returns>
    private bool Came(ValueTaskAwaiter<int> readable)
    {
        ReadResult result;
        Exception? failed = null;
        lock (_gate)
        {
            try
            {
                _ = readable.GetResult();
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
        _waiter.SetException(new OperationCanceledException(token));
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
                connection.TellClosed();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _error = Seen(e);
        }
        return true;
    }

    /// <summary>
    /// Under the lock. A larger array, in which all lies where it lay: those who were handed the old one say where they are by numbers,
    /// and may still read it, so that it does not go back to the pool.
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
