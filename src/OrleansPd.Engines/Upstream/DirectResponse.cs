using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace OrleansPd.Engines.Upstream;

/// <summary>One exchange on a connection of <see cref="DirectUpstream"/>: the connection is its own until the answer's last byte.</summary>
internal sealed class DirectResponse : IUpstreamResponse
{
    private readonly EnginePool _pool;
    private readonly UpstreamOptions _options;
    private readonly CancellationToken _token;
    private readonly CancellationTokenRegistration _watch;
    private EngineLink? _link;
    private AnswerLines _lines;
    private ChunkDecoder _chunks;
    private long _left;
    private bool _wasCut;

    public DirectResponse(EnginePool pool, EngineLink link, UpstreamOptions options, CancellationToken token)
    {
        (_pool, _link, _options, _token) = (pool, link, options, token);
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

    /// <summary>A byte of the answer has come.</summary>
    public bool HasBegun { get; private set; }

    public async ValueTask SendAsync(byte[] head, int headLength, UpstreamBody body)
    {
        var link = _link!;
        try
        {
            await link.SendAsync(head, headLength, body).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException && !_token.IsCancellationRequested)
        {
            // An engine may answer and close before it has read all of a body; what it said then is in the buffer.
            if (!await link.MoreAsync(_options.MaxHead).ConfigureAwait(false))
            {
                throw;
            }
            HasBegun = _wasCut = true;
        }
    }

    /// <summary>Reads the head of the answer, past interim ones.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadHeadAsync()
    {
        var link = _link!;
        while (true)
        {
            var length = AnswerHeadParser.EndOf(link.Unread);
            if (length > 0)
            {
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
                continue;
            }
            if (link.Unread.Length >= _options.MaxHead)
            {
                throw new IOException($"The head of the answer is longer than {_options.MaxHead} bytes.");
            }
            if (!await link.MoreAsync(_options.MaxHead).ConfigureAwait(false))
            {
                throw new IOException("The engine closed the connection without an answer.");
            }
            HasBegun = true;
        }
        _left = _lines.Length;
        if (_lines.Framing == BodyFraming.None)
        {
            Finish();
        }
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveAsync(EngineLink link, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                // Behind a length there is nothing to wait for.
                var room = _lines.Framing == BodyFraming.Length && _left < buffer.Length ? buffer[..(int)_left] : buffer;
                var read = cancellationToken == _token
                    ? await link.ReceiveAsync(room).ConfigureAwait(false)
                    : await ReceiveAlsoAsync(link, room, cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    if (_lines.Framing != BodyFraming.UntilClose || link.IsDisposed)
                    {
                        throw new IOException("The connection ended before the answer did.");
                    }
                    Abort();
                    return 0;
                }
                var content = Take(buffer.Span[..read]);
                if (content > 0 || IsComplete)
                {
                    return content;
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            Abort();
            _token.ThrowIfCancellationRequested();
            cancellationToken.ThrowIfCancellationRequested();
            throw new UpstreamException(neverSent: false, e.Message, e);
        }
    }

    /// <summary>A read that ends for another token than the exchange's, too.</summary>
    private static async ValueTask<int> ReceiveAlsoAsync(EngineLink link, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var watch = cancellationToken.UnsafeRegister(static state => ((EngineLink)state!).Dispose(), link);
        try
        {
            return await link.ReceiveAsync(buffer).ConfigureAwait(false);
        }
        finally
        {
            // Before the connection can become another's. A callback that is running just now is waited for.
            await watch.DisposeAsync().ConfigureAwait(false);
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

    /// <summary>The answer is whole: its connection may carry the next one, unless something came behind it that nobody asked for.</summary>
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
