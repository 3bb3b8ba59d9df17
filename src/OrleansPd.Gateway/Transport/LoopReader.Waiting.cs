using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace OrleansPd.Gateway.Transport;

/// <summary>Reads that wait for the socket. A wait allocates nothing: the reader is its own value-task source.</summary>
internal sealed partial class LoopReader : IValueTaskSource<ReadResult>
{
    private ManualResetValueTaskSourceCore<ReadResult> _source;
    private ValueTaskAwaiter<int> _socketWait;
    private CancellationTokenRegistration _registration;
    private Action? _continuation;
    private Wait _wait;

    private enum Wait : byte
    {
        None,

        /// <summary>A read is pending, and the socket is not awaited yet.</summary>
        Read,

        /// <summary>A read is pending, and the socket is awaited.</summary>
        ReadAndSocket,

        /// <summary>The read was cancelled, but the socket is still awaited.</summary>
        Socket,
    }

    private bool IsReadPending => _wait is Wait.Read or Wait.ReadAndSocket;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        short version;
        lock (_gate)
        {
            try
            {
                if (TryTakeLocked(out var result))
                    return new(result);
            }
            catch (Exception e)
            {
                return ValueTask.FromException<ReadResult>(e);
            }
            _source.Reset();
            version = _source.Version;
            _wait = _wait == Wait.Socket ? Wait.ReadAndSocket : Wait.Read;
        }
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(
                static (reader, token) => ((LoopReader)reader!).CancelRead(token), this);
        }
        AwaitSocket();
        return new(this, version);
    }

    public override void CancelPendingRead()
    {
        ReadResult result;
        lock (_gate)
        {
            _isCancelled = true;
            if (!IsReadPending || _isCompleted)
                return;
            _ = TryTakeLocked(out result);
            EndReadLocked();
        }
        // On another thread: the caller may hold locks, or be the server's heartbeat.
        ThreadPool.UnsafeQueueUserWorkItem(
            static end => end.reader._source.SetResult(end.result), (reader: this, result), preferLocal: false);
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        // Before the next read begins. Waits for a callback that is running.
        _registration.Dispose();
        _registration = default;
        return _source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <summary>Waits for the socket on behalf of the pending read, unless a wait is still active.</summary>
    private void AwaitSocket()
    {
        ValueTaskAwaiter<int> readable;
        do
        {
            lock (_gate)
            {
                if (_wait != Wait.Read)
                    return;
                _socketWait = readable = socket.ReceiveAsync(default).GetAwaiter();
                _wait = Wait.ReadAndSocket;
            }
            if (!readable.IsCompleted)
            {
                readable.UnsafeOnCompleted(_continuation ??= OnReadable);
                return;
            }
        }
        while (!TryCompleteRead());
    }

    private void OnReadable()
    {
        if (!TryCompleteRead())
            AwaitSocket();
    }

    /// <summary>Completes the pending read after the wait for the socket.</summary>
    /// <returns>False when the socket must be awaited again.</returns>
    private bool TryCompleteRead()
    {
        ReadResult result;
        Exception? failure = null;
        lock (_gate)
        {
            // Clear the wait and consume the awaiter in one critical section: once it is cleared, another read may start a wait
            // on the same value-task source.
            _wait = _wait == Wait.ReadAndSocket ? Wait.Read : Wait.None;
            try
            {
                _ = _socketWait.GetResult();
            }
            catch (Exception e)
            {
                FailLocked(e);
            }
            if (_wait == Wait.None)
                return true;
            try
            {
                if (!TryTakeLocked(out result))
                    return false;
            }
            catch (Exception e)
            {
                (result, failure) = (default, e);
            }
            _wait = Wait.None;
        }
        if (failure is null)
            _source.SetResult(result);
        else
            _source.SetException(failure);
        return true;
    }

    private void CancelRead(CancellationToken token)
    {
        lock (_gate)
        {
            if (!IsReadPending)
                return;
            EndReadLocked();
        }
        ThreadPool.UnsafeQueueUserWorkItem(
            static end => end.reader._source.SetException(new OperationCanceledException(end.token)),
            (reader: this, token), preferLocal: false);
    }

    private void EndReadLocked() => _wait = _wait == Wait.ReadAndSocket ? Wait.Socket : Wait.None;
}
