using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// The bytes that a client sends. They are received only while a read is pending, so an idle connection holds no buffer, and TCP
/// flow control slows down a client that sends more than is read.
/// </summary>
internal sealed partial class LoopReader(LoopConnection connection, LoopSocket socket) : PipeReader
{
    /// <summary>Maximum bytes received without a read, to find out whether the client has closed the connection.</summary>
    private const int MaxReadAhead = 64 * 1024;

    /// <summary>Maximum bytes discarded at the close; about what Kestrel's own transport would have received by then.</summary>
    private const int MaxDrained = 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly ReadBuffer _buffer = new();
    private Exception? _error;
    private InputState _input;
    private bool _isCancelled;
    private bool _isCompleted;

    private enum InputState : byte
    {
        Open,

        Ended,

        /// <summary>The connection failed; reads throw <see cref="_error"/>.</summary>
        Failed,
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (_gate)
            return TryTakeLocked(out result);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        lock (_gate)
        {
            if (_buffer.Advance(consumed, examined) && socket.HasEnded)
            {
                // The end was reported while too many bytes lay before it. The request may not read again, so look for it now.
                ReadAhead();
            }
        }
    }

    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
            _isCompleted = true;
    }

    /// <inheritdoc cref="IBodyTarget.ReceiveInto"/>
    public void ReceiveInto(Memory<byte> rest)
    {
        lock (_gate)
            _buffer.SetTarget(rest);
    }

    /// <summary>
    /// Receives what has arrived without a read, to find out whether the client has closed the connection. A pending read is
    /// resumed by the socket as usual and finds the bytes here.
    /// </summary>
    public void ReadAhead()
    {
        lock (_gate)
        {
            while (_input == InputState.Open && !_isCompleted && _buffer.Length < MaxReadAhead && TryReceiveLocked())
            {
                // There may be more, and the end behind it.
            }
        }
    }

    /// <summary>
    /// Discards received bytes before the close. Closing a socket with unread bytes resets the connection, and the client would
    /// lose the end of the response.
    /// </summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isCompleted = true;
            if (_input == InputState.Ended || socket.IsDisposed || !socket.IsReadable)
                return;
            var into = ArrayPool<byte>.Shared.Rent(MaxReadAhead);
            try
            {
                for (var left = MaxDrained; left > 0 && socket.TryReceive(into, out var read) && read > 0; left -= read)
                {
                    // Discarded.
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The connection has ended already.
            }
            ArrayPool<byte>.Shared.Return(into);
        }
    }

    public void Release()
    {
        lock (_gate)
        {
            _isCompleted = true;
            if (!IsReadPending)
                _buffer.ReleaseUnlessLent();
        }
    }

    /// <summary>Returns unexamined or available bytes, the end, or a cancellation. False when there is none of them.</summary>
    private bool TryTakeLocked(out ReadResult result)
    {
        if (_isCompleted)
            throw new InvalidOperationException("The reader was completed.");
        if (!_buffer.HasUnexamined && _input == InputState.Open && !_isCancelled && !TryReceiveLocked())
        {
            result = default;
            return false;
        }
        if (_input == InputState.Failed && !_buffer.HasUnexamined && !_isCancelled)
            throw _error!;
        result = new ReadResult(_buffer.Lend(), _isCancelled, isCompleted: _input == InputState.Ended);
        _isCancelled = false;
        return true;
    }

    /// <summary>Receives once. False when nothing is available.</summary>
    private bool TryReceiveLocked()
    {
        try
        {
            if (!socket.IsReadable)
                return false;
            if (!socket.TryReceive(_buffer.Space(), out var read))
            {
                _buffer.ReleaseIfEmpty();
                return false;
            }
            _buffer.Append(read);
            if (read == 0)
            {
                _input = InputState.Ended;
                connection.NotifyClosed();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            FailLocked(e);
            connection.NotifyClosed();
        }
        return true;
    }

    private void FailLocked(Exception e)
    {
        _input = InputState.Failed;
        _error ??= e is ObjectDisposedException || connection.Aborted is not null
            ? connection.Aborted ?? new ConnectionAbortedException("The connection was closed.")
            : new ConnectionResetException("The client broke the connection.", e);
    }
}
