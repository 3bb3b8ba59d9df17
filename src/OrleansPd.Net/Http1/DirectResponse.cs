using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace OrleansPd.Net.Http1;

/// <summary>
/// One exchange on a connection of <see cref="DirectUpstream"/>: the connection is its own until the answer's last byte.
/// </summary>
internal sealed class DirectResponse : IUpstreamResponse, IValueTaskSource<IUpstreamResponse>, IValueTaskSource<int>
{
    private readonly EngineConnections _pool;
    private readonly UpstreamOptions _options;
    private readonly CancellationToken _token;
    private readonly CancellationTokenRegistration _watch;
    private EngineLink? _link;
    private AnswerLines _lines;
    private ChunkDecoder _chunks;
    private long _left;
    private bool _wasCut;

    private readonly TimeProvider _clock;
    private readonly long _started;
    private readonly TimeSpan _idle;
    private ManualResetValueTaskSourceCore<IUpstreamResponse> _waiter;
    private ManualResetValueTaskSourceCore<int> _body;
    private ValueTaskAwaiter<int> _more;
    private ValueTaskAwaiter<int> _reading;
    private Memory<byte> _into;
    private Action? _goOnInBody;
    private Action? _goOnInWait;

    public DirectResponse(
        EngineConnections pool, EngineLink link, UpstreamOptions options, TimeProvider clock, CancellationToken token)
    {
        (_pool, _link, _options, _clock, _token) = (pool, link, options, clock, token);
        _started = clock.GetTimestamp();
        _idle = link.Answers > 0 ? clock.GetElapsedTime(link.IdleSince, _started) : TimeSpan.Zero;
        // A closed socket ends whatever waits on it; engines read it as an abort.
        _watch = token.UnsafeRegister(static state => ((EngineLink)state!).Dispose(), link);
    }

    public int Status => _lines.Status;

    public string? ContentType { get; private set; }

    public long? ContentLength => _lines.Framing switch
    {
        BodyFraming.Length => _lines.Length,
        BodyFraming.None => 0,
        _ => null,
    };

    public TimeSpan? RetryAfter => _lines.RetryAfterSeconds >= 0 ? TimeSpan.FromSeconds(_lines.RetryAfterSeconds) : null;

    public bool IsComplete => _link is null;

    /// <remarks>The head is awaited when all has been sent; an engine that has closed before has not taken it, but nobody sends
    /// on.</remarks>
    public bool HasTakenBody => true;

    /// <summary>A byte of the answer has come.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>
    /// Sends the request and reads the head of the answer, past interim ones. Done by hand where it waits, which each request
    /// does once for each leg: the waiter is this object, and all that waking it costs is one call.
    /// </summary>
    /// <param name="head">From the shared pool; given back when it has been sent.</param>
    /// <param name="headLength">Bytes of the head.</param>
    /// <param name="body">Comes behind it.</param>
    /// <exception cref="UpstreamException">No head came, or none that can be read.</exception>
    public ValueTask<IUpstreamResponse> ExchangeAsync(byte[] head, int headLength, in UpstreamBody body)
    {
        ValueTask sent;
        try
        {
            sent = _link!.SendAsync(head, headLength, body);
        }
        catch (Exception e)
        {
            sent = ValueTask.FromException(e);
        }
        if (!sent.IsCompletedSuccessfully)
        {
            return SlowExchangeAsync(sent, head);
        }
        ArrayPool<byte>.Shared.Return(head);
        return HeadAsync();
    }

    private async ValueTask<IUpstreamResponse> SlowExchangeAsync(ValueTask sent, byte[] head)
    {
        try
        {
            await sent.ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException && !_token.IsCancellationRequested)
        {
            // An engine may answer and close before it has read all of a body; what it said then is in the buffer.
            try
            {
                HasBegun = _wasCut = _link!.Came(await _link.MoreAsync(_options.MaxHead).ConfigureAwait(false));
            }
            catch (Exception again)
            {
                throw Failed(again);
            }
            if (!HasBegun)
            {
                throw Failed(e);
            }
        }
        catch (Exception e)
        {
            throw Failed(e);
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
            return IsHeadThere() ? new(this) : new(this, _waiter.Version);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<IUpstreamResponse>(Failed(e));
        }
    }

    /// <summary>The read that the head waits for has ended.</summary>
    internal void GoOn()
    {
        try
        {
            Came(_more.GetResult());
            if (!IsHeadThere())
            {
                return;
            }
        }
        catch (Exception e)
        {
            _waiter.SetException(Failed(e));
            return;
        }
        _waiter.SetResult(this);
    }

    /// <summary>Takes the head off; false when there is more to wait for, whose coming calls <see cref="GoOn"/>.</summary>
    private bool IsHeadThere()
    {
        while (!TakeHead())
        {
            var more = _link!.MoreAsync(_options.MaxHead).GetAwaiter();
            if (!more.IsCompleted)
            {
                _more = more;
                more.UnsafeOnCompleted(_link.WhenMore(this));
                return false;
            }
            Came(more.GetResult());
        }
        return true;
    }

    IUpstreamResponse IValueTaskSource<IUpstreamResponse>.GetResult(short token) => _waiter.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<IUpstreamResponse>.GetStatus(short token) => _waiter.GetStatus(token);

    void IValueTaskSource<IUpstreamResponse>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    private void Came(int bytes)
    {
        if (!_link!.Came(bytes))
        {
            throw new IOException("The engine closed the connection without an answer.");
        }
        HasBegun |= !_link.Unread.IsEmpty;
    }

    /// <summary>Takes the head off what has come; false while it is not whole.</summary>
    private bool TakeHead()
    {
        var link = _link!;
        while (true)
        {
            var length = AnswerHeadParser.EndOf(link.Unread);
            if (length == 0)
            {
                return link.Unread.Length < _options.MaxHead
                    ? false : throw new IOException($"The head of the answer is longer than {_options.MaxHead} bytes.");
            }
            var head = link.Unread[..length];
            if (AnswerHeadParser.Parse(head, out _lines) is { } problem)
            {
                throw new UpstreamException(neverSent: false, $"The engine's answer cannot be read: {problem}.");
            }
            ContentType = _lines.HasContentType ? _pool.ContentTypeOf(head[_lines.ContentType]) : null;
            link.Take(length);
            if (_lines.Status >= 200)
            {
                break;
            }
            if (_lines.Status == 101)
            {
                throw new UpstreamException(neverSent: false, "The engine wants to speak another protocol.");
            }
        }
        _left = _lines.Length;
        if (_lines.Framing == BodyFraming.None)
        {
            Finish();
        }
        return true;
    }

    /// <summary>Ends the exchange, and says what is to be thrown.</summary>
    private Exception Failed(Exception e)
    {
        Abort();
        if (e is not (SocketException or IOException or ObjectDisposedException))
        {
            return e;
        }
        return _token.IsCancellationRequested
            ? new OperationCanceledException(_token)
            : new UpstreamException(neverSent: false, e.Message, e)
            {
                WasStale = !HasBegun && StaleRule.Holds(_idle, _clock.GetElapsedTime(_started)),
            };
    }

    public ValueTask<int> WaitAsync(CancellationToken cancellationToken)
    {
        if (_link is not { CanWait: true } link || !link.Unread.IsEmpty || cancellationToken != _token)
        {
            return new(0);
        }
        var comes = link.ReceiveAsync(default).GetAwaiter();
        if (comes.IsCompleted)
        {
            // Whatever it is, the read tells it.
            return new(0);
        }
        _body.Reset();
        _reading = comes;
        comes.UnsafeOnCompleted(_goOnInWait ??= GoOnInWait);
        return new(this, _body.Version);
    }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_link is not { } link || buffer.IsEmpty)
        {
            return new(0);
        }
        if (!link.Unread.IsEmpty)
        {
            var count = Math.Min(link.Unread.Length, buffer.Length);
            link.Unread[..count].CopyTo(buffer.Span);
            link.Take(count);
            var content = Take(buffer.Span[..count]);
            if (content > 0 || IsComplete)
            {
                return new(content);
            }
        }
        return ReceiveAsync(link, buffer, cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        Abort();
        return default;
    }

    /// <summary>Closes the connection unless the answer has been read to its end.</summary>
    public void Abort()
    {
        if (_link is { } link)
        {
            _link = null;
            _watch.Unregister();
            link.Dispose();
        }
    }

    /// <summary>Waits by hand as the head does: a stream waits once for each event.</summary>
    private ValueTask<int> ReceiveAsync(EngineLink link, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (cancellationToken != _token)
        {
            return ReceiveAlsoAsync(link, buffer, cancellationToken);
        }
        _into = buffer;
        _body.Reset();
        try
        {
            return IsContentThere(link, out var content) ? new(content) : new(this, _body.Version);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<int>(Broken(e, cancellationToken));
        }
    }

    /// <summary>The read that a part of the body waits for has ended.</summary>
    private void GoOnInBody()
    {
        int content;
        try
        {
            var link = _link!;
            content = TakeRead(link, _reading.GetResult(), _into);
            if (content == 0 && !IsComplete && !IsContentThere(link, out content))
            {
                return;
            }
        }
        catch (Exception e)
        {
            _body.SetException(Broken(e, _token));
            return;
        }
        _body.SetResult(content);
    }

    private void GoOnInWait()
    {
        try
        {
            _ = _reading.GetResult();
        }
        catch (Exception e)
        {
            _body.SetException(Broken(e, _token));
            return;
        }
        _body.SetResult(0);
    }

    /// <summary>
    /// Reads until there is content or the end; false when it must be waited for, whose coming calls <see cref="GoOnInBody"/>.
    /// </summary>
    private bool IsContentThere(EngineLink link, out int content)
    {
        do
        {
            var read = link.ReceiveAsync(Room(_into)).GetAwaiter();
            if (!read.IsCompleted)
            {
                content = 0;
                _reading = read;
                read.UnsafeOnCompleted(_goOnInBody ??= GoOnInBody);
                return false;
            }
            content = TakeRead(link, read.GetResult(), _into);
        }
        while (content == 0 && !IsComplete);
        return true;
    }

    /// <summary>Behind a length there is nothing to wait for.</summary>
    private Memory<byte> Room(Memory<byte> buffer) =>
        _lines.Framing == BodyFraming.Length && _left < buffer.Length ? buffer[..(int)_left] : buffer;

    /// <summary>Takes what a read has brought; 0 where it was framing only, or the end.</summary>
    private int TakeRead(EngineLink link, int read, Memory<byte> buffer)
    {
        if (read > 0)
        {
            return Take(buffer.Span[..read]);
        }
        if (_lines.Framing != BodyFraming.UntilClose || link.IsDisposed)
        {
            throw new IOException("The connection ended before the answer did.");
        }
        Abort();
        return 0;
    }

    /// <summary>Ends the exchange, and says what is to be thrown.</summary>
    private Exception Broken(Exception e, CancellationToken cancellationToken)
    {
        if (e is not (SocketException or IOException or ObjectDisposedException))
        {
            return e;
        }
        Abort();
        return _token.IsCancellationRequested ? new OperationCanceledException(_token)
            : cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken)
            : new UpstreamException(neverSent: false, e.Message, e);
    }

    int IValueTaskSource<int>.GetResult(short token) => _body.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _body.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _body.OnCompleted(continuation, state, token, flags);

    /// <summary>A read that ends for another token than the exchange's, too.</summary>
    private async ValueTask<int> ReceiveAlsoAsync(EngineLink link, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                int read;
                var watch = cancellationToken.UnsafeRegister(static state => ((EngineLink)state!).Dispose(), link);
                try
                {
                    read = await link.ReceiveAsync(Room(buffer)).ConfigureAwait(false);
                }
                finally
                {
                    // Before the connection can become another's. A callback that is running just now is waited for.
                    await watch.DisposeAsync().ConfigureAwait(false);
                }
                var content = TakeRead(link, read, buffer);
                if (content > 0 || IsComplete)
                {
                    return content;
                }
            }
        }
        catch (Exception e)
        {
            throw Broken(e, cancellationToken);
        }
    }

    /// <summary>Takes the framing out of bytes that were read, and ends the exchange with the last of them.</summary>
    private int Take(Span<byte> bytes)
    {
        switch (_lines.Framing)
        {
            case BodyFraming.Length:
                var part = (int)Math.Min(bytes.Length, _left);
                _left -= part;
                if (_left == 0)
                {
                    Finish(clean: part == bytes.Length);
                }
                return part;
            case BodyFraming.Chunked:
                var content = _chunks.Decode(bytes, out var consumed);
                if (_chunks.IsWrong)
                {
                    Abort();
                    throw new UpstreamException(neverSent: false, "The engine's answer cannot be read: a chunk is malformed.");
                }
                if (_chunks.IsDone)
                {
                    Finish(clean: consumed == bytes.Length);
                }
                return content;
            default:
                return bytes.Length;
        }
    }

    /// <summary>
    /// The answer is whole: its connection may carry the next one, unless something came behind it that nobody asked for.
    /// </summary>
    private void Finish(bool clean = true)
    {
        var link = _link!;
        _link = null;
        // False: the token has fired, or fires just now, and closes the connection.
        var ours = !_token.CanBeCanceled || _watch.Unregister();
        if (clean && ours && !_wasCut && _lines.MayReuse && link.Unread.IsEmpty)
        {
            _pool.Return(link);
        }
        else
        {
            link.Dispose();
        }
    }
}
