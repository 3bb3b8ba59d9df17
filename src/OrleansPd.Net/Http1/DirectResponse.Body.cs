using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Http1;

/// <summary>Reads the body. As for the head, waits do not allocate: a stream waits once for each event.</summary>
internal sealed partial class DirectResponse : IValueTaskSource<int>
{
    private ManualResetValueTaskSourceCore<int> _bodySource;
    private ValueTaskAwaiter<int> _bodyReceive;
    private Memory<byte> _into;
    private Action? _bodyContinuation;
    private Action? _waitContinuation;

    public ValueTask<int> WaitAsync(CancellationToken cancellationToken)
    {
        if (_connection is not { CanWait: true } connection || !connection.Unread.IsEmpty || cancellationToken != _token)
            return new(0);
        var readable = connection.ReceiveAsync(default).GetAwaiter();
        if (readable.IsCompleted)
        {
            // A failure is reported by the read that follows.
            return new(0);
        }
        _bodySource.Reset();
        _bodyReceive = readable;
        readable.UnsafeOnCompleted(_waitContinuation ??= WaitCompleted);
        return new(this, _bodySource.Version);
    }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_connection is not { } connection || buffer.IsEmpty)
            return new(0);
        if (!connection.Unread.IsEmpty)
        {
            var count = Math.Min(connection.Unread.Length, buffer.Length);
            connection.Unread[..count].CopyTo(buffer.Span);
            connection.Consume(count);
            var content = Decode(buffer.Span[..count]);
            if (content > 0 || IsComplete)
                return new(content);
        }
        if (cancellationToken != _token)
            return ReceiveWithTokenAsync(connection, buffer, cancellationToken);
        _into = buffer;
        _bodySource.Reset();
        try
        {
            return TryReceiveBody(connection, out var content) ? new(content) : new(this, _bodySource.Version);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<int>(EndInBody(e, cancellationToken));
        }
    }

    int IValueTaskSource<int>.GetResult(short token) => _bodySource.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _bodySource.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _bodySource.OnCompleted(continuation, state, token, flags);

    /// <summary>
    /// Receives until there is content or the end. False: a receive is pending, which calls <see cref="BodyReceived"/>.
    /// </summary>
    private bool TryReceiveBody(Http1Connection connection, out int content)
    {
        do
        {
            var receive = connection.ReceiveAsync(_framer.Limit(_into)).GetAwaiter();
            if (!receive.IsCompleted)
            {
                content = 0;
                _bodyReceive = receive;
                receive.UnsafeOnCompleted(_bodyContinuation ??= BodyReceived);
                return false;
            }
            content = DecodeReceived(connection, receive.GetResult(), _into);
        }
        while (content == 0 && !IsComplete);
        return true;
    }

    private void BodyReceived()
    {
        int content;
        try
        {
            var connection = _connection!;
            content = DecodeReceived(connection, _bodyReceive.GetResult(), _into);
            if (content == 0 && !IsComplete && !TryReceiveBody(connection, out content))
                return;
        }
        catch (Exception e)
        {
            _bodySource.SetException(EndInBody(e, _token));
            return;
        }
        _bodySource.SetResult(content);
    }

    private void WaitCompleted()
    {
        try
        {
            _ = _bodyReceive.GetResult();
        }
        catch (Exception e)
        {
            _bodySource.SetException(EndInBody(e, _token));
            return;
        }
        _bodySource.SetResult(0);
    }

    /// <summary>A read with another token than that of the exchange: either one closes the connection.</summary>
    private async ValueTask<int> ReceiveWithTokenAsync(
        Http1Connection connection, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                int read;
                var registration = cancellationToken.UnsafeRegister(
                    static state => ((Http1Connection)state!).Dispose(), connection);
                try
                {
                    read = await connection.ReceiveAsync(_framer.Limit(buffer)).ConfigureAwait(false);
                }
                finally
                {
                    // Before the connection can be reused. Waits for a callback that is running.
                    await registration.DisposeAsync().ConfigureAwait(false);
                }
                var content = DecodeReceived(connection, read, buffer);
                if (content > 0 || IsComplete)
                    return content;
            }
        }
        catch (Exception e)
        {
            throw EndInBody(e, cancellationToken);
        }
    }

    /// <summary>Handles the result of a receive. 0: the end of the body, or framing without content.</summary>
    private int DecodeReceived(Http1Connection connection, int read, Memory<byte> buffer)
    {
        if (read > 0)
            return Decode(buffer.Span[..read]);
        if (!_framer.EndsWithConnection || connection.IsDisposed)
            throw new IOException("The connection ended before the answer did.");
        Abort();
        return 0;
    }

    /// <summary>Removes the framing, and ends the exchange with the last byte of the body.</summary>
    private int Decode(Span<byte> bytes)
    {
        var content = _framer.Decode(bytes, out var consumed);
        if (_framer.IsMalformed)
        {
            Abort();
            throw new UpstreamException(neverSent: false, "The engine's answer cannot be read: a chunk is malformed.");
        }
        if (_framer.IsDone)
            Finish(clean: consumed == bytes.Length);
        return content;
    }

    /// <summary>Ends the exchange where the connection failed, and returns the exception for the caller.</summary>
    private Exception EndInBody(Exception e, CancellationToken cancellationToken)
    {
        if (!IsConnectionFailure(e))
            return e;
        Abort();
        return _token.IsCancellationRequested ? new OperationCanceledException(_token)
            : cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken)
            : new UpstreamException(neverSent: false, e.Message, e);
    }
}
