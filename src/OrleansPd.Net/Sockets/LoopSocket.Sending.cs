using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Sockets;

/// <summary>The sending side. A wait allocates nothing: the socket is its own value-task source.</summary>
internal sealed partial class LoopSocket : IValueTaskSource
{
    private readonly Lock _writeGate = new();
    private ManualResetValueTaskSourceCore<bool> _writeSource;
    private PendingSend _send;
    private bool _isWriting;
    private bool _wasWritable;

    /// <summary>Sends all bytes. One call at a time.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes) => SendAsync(bytes, null);

    /// <summary>Sends all bytes of all blocks in order. One call at a time.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte>[]? more)
    {
        lock (_writeGate)
        {
            if (IsDisposed)
                return ValueTask.FromException(Closed());
            _send = new PendingSend(first, more);
            if (_send.TrySend(_fd, out var error))
                return error == 0 ? default : ValueTask.FromException(Libc.ToException(error));
            _isWriting = true;
            _writeSource.Reset();
            return new(this, _writeSource.Version);
        }
    }

    /// <summary>
    /// Waits until the loop reports the socket as writable for the first time: then it is connected, or has failed to connect.
    /// </summary>
    public ValueTask WritableAsync()
    {
        lock (_writeGate)
        {
            if (IsDisposed)
                return ValueTask.FromException(Closed());
            if (_wasWritable)
                return default;
            _isWriting = true;
            _writeSource.Reset();
            return new(this, _writeSource.Version);
        }
    }

    void IValueTaskSource.GetResult(short token) => _writeSource.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _writeSource.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _writeSource.OnCompleted(continuation, state, token, flags);

    private void OnWritable()
    {
        int error;
        lock (_writeGate)
        {
            _wasWritable = true;
            if (!_isWriting || IsDisposed || !_send.TrySend(_fd, out error))
                return;
            _isWriting = false;
        }
        if (error == 0)
            _writeSource.SetResult(true);
        else
            _writeSource.SetException(Libc.ToException(error));
    }
}
