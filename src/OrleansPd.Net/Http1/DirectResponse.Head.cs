using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Http1;

/// <summary>
/// Sends the request and receives the head. The response object is its own value-task source: each leg waits here once for each
/// request, and a wait then allocates nothing and resumes with one call.
/// </summary>
internal sealed partial class DirectResponse : IValueTaskSource<IUpstreamResponse>
{
    private ManualResetValueTaskSourceCore<IUpstreamResponse> _headSource;
    private ValueTaskAwaiter<int> _headReceive;

    /// <summary>Sends the request and receives the head of the response; interim responses are skipped.</summary>
    /// <param name="head">From the shared array pool; returned to it after the send.</param>
    /// <param name="headLength">Bytes of the head.</param>
    /// <param name="body">Follows the head.</param>
    /// <exception cref="UpstreamException">No head arrived, or it cannot be parsed.</exception>
    public ValueTask<IUpstreamResponse> ExchangeAsync(byte[] head, int headLength, in UpstreamBody body)
    {
        ValueTask sent;
        try
        {
            sent = _connection!.SendAsync(head, headLength, body);
        }
        catch (Exception e)
        {
            sent = ValueTask.FromException(e);
        }
        if (!sent.IsCompletedSuccessfully)
            return SlowExchangeAsync(sent, head);
        ArrayPool<byte>.Shared.Return(head);
        return HeadAsync();
    }

    /// <summary>Continues <see cref="HeadAsync"/> when its receive has completed.</summary>
    internal void HeadReceived()
    {
        try
        {
            AppendReceived(_headReceive.GetResult());
            if (!TryReceiveHead())
                return;
        }
        catch (Exception e)
        {
            _headSource.SetException(EndWithoutHead(e));
            return;
        }
        _headSource.SetResult(this);
    }

    IUpstreamResponse IValueTaskSource<IUpstreamResponse>.GetResult(short token) => _headSource.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<IUpstreamResponse>.GetStatus(short token) => _headSource.GetStatus(token);

    void IValueTaskSource<IUpstreamResponse>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _headSource.OnCompleted(continuation, state, token, flags);

    private async ValueTask<IUpstreamResponse> SlowExchangeAsync(ValueTask sent, byte[] head)
    {
        try
        {
            await sent.ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException && !_token.IsCancellationRequested)
        {
            // An engine may respond and close before it has read the whole body. Look for that response.
            try
            {
                _hasBegun = _sendFailed =
                    _connection!.Received(await _connection.ReceiveHeadAsync(_options.MaxHead).ConfigureAwait(false));
            }
            catch (Exception receiveFailure)
            {
                throw EndWithoutHead(receiveFailure);
            }
            if (!_hasBegun)
                throw EndWithoutHead(e);
        }
        catch (Exception e)
        {
            throw EndWithoutHead(e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(head);
        }
        return await HeadAsync().ConfigureAwait(false);
    }

    private ValueTask<IUpstreamResponse> HeadAsync()
    {
        try
        {
            return TryReceiveHead() ? new(this) : new(this, _headSource.Version);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<IUpstreamResponse>(EndWithoutHead(e));
        }
    }

    /// <summary>Receives and parses the head. False: a receive is pending, which calls <see cref="HeadReceived"/>.</summary>
    private bool TryReceiveHead()
    {
        while (!TryParseHead())
        {
            var receive = _connection!.ReceiveHeadAsync(_options.MaxHead).GetAwaiter();
            if (!receive.IsCompleted)
            {
                _headReceive = receive;
                receive.UnsafeOnCompleted(_connection.HeadContinuation(this));
                return false;
            }
            AppendReceived(receive.GetResult());
        }
        return true;
    }

    private void AppendReceived(int bytes)
    {
        if (!_connection!.Received(bytes))
            throw new IOException("The engine closed the connection without an answer.");
        _hasBegun |= !_connection.Unread.IsEmpty;
    }

    private bool TryParseHead()
    {
        var connection = _connection!;
        while (true)
        {
            var length = AnswerHeadParser.EndOf(connection.Unread);
            if (length == 0)
            {
                return connection.Unread.Length < _options.MaxHead
                    ? false : throw new IOException($"The head of the answer is longer than {_options.MaxHead} bytes.");
            }
            var head = connection.Unread[..length];
            if (AnswerHeadParser.Parse(head, out _lines) is { } problem)
                throw new UpstreamException(neverSent: false, $"The engine's answer cannot be read: {problem}.");
            ContentType = _lines.HasContentType ? _connections.ContentTypeOf(head[_lines.ContentType]) : null;
            connection.Consume(length);
            if (_lines.Status >= 200)
                break;
            if (_lines.Status == 101)
                throw new UpstreamException(neverSent: false, "The engine wants to speak another protocol.");
        }
        _framer = new BodyFramer(_lines.Framing, _lines.Length);
        if (_framer.IsDone)
            Finish();
        return true;
    }

    /// <summary>Ends the exchange and returns the exception for the caller.</summary>
    private Exception EndWithoutHead(Exception e)
    {
        Abort();
        if (!IsConnectionFailure(e))
            return e;
        return _token.IsCancellationRequested
            ? new OperationCanceledException(_token)
            : new UpstreamException(neverSent: false, e.Message, e)
            {
                WasStale = !_hasBegun && StaleRule.Holds(_idle, _clock.GetElapsedTime(_started)),
            };
    }
}
