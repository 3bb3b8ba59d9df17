using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace OrleansPd.Net.Http1;

/// <summary>
/// HTTP/1.1 to engines over sockets, made for this job: connections kept per engine, one send for head and body, answers parsed
/// where they lie, nothing allocated that can be kept. What it does is what <see cref="HandlerUpstream"/> does.
/// </summary>
public sealed class DirectUpstream : IUpstream
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ForgetAfter = TimeSpan.FromMinutes(1);

    private readonly UpstreamOptions _options;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, EngineConnections> _pools = new(StringComparer.Ordinal);
    // In front of the dictionary: snapshots hand the same Uri out again and again, and hashing one is dear.
    private readonly ConditionalWeakTable<Uri, EngineConnections> _known = [];
    private readonly ITimer _sweep;
    private volatile bool _disposed;

    public DirectUpstream(UpstreamOptions? options = null, TimeProvider? clock = null)
    {
        _options = options ?? new UpstreamOptions();
        _clock = clock ?? TimeProvider.System;
        _sweep = _clock.CreateTimer(static state => ((DirectUpstream)state!).Sweep(), this, SweepEvery, SweepEvery);
    }

    public ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var pool = PoolOf(request.Engine);
        return pool.Rent() is { } link
            ? Begin(pool, link, request, cancellationToken)
            : ConnectAndSendAsync(pool, request, cancellationToken);
    }

    private async ValueTask<IUpstreamResponse> ConnectAndSendAsync(
        EngineConnections pool, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var link = await pool.ConnectAsync(request.ConnectTimeout, cancellationToken).ConfigureAwait(false);
        return await Begin(pool, link, request, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<IUpstreamResponse> Begin(
        EngineConnections pool, EngineLink link, in UpstreamRequest request, CancellationToken cancellationToken)
    {
        var head = RentHead(pool, request, out var length);
        return new DirectResponse(pool, link, _options, _clock, cancellationToken).ExchangeAsync(head, length, request.Body);
    }

    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        await _sweep.DisposeAsync().ConfigureAwait(false);
        foreach (var pool in _pools.Values)
        {
            pool.Dispose();
        }
    }

    private EngineConnections PoolOf(Uri engine)
    {
        if (_known.TryGetValue(engine, out var pool) && !pool.IsDisposed)
        {
            return pool;
        }
        pool = _pools.GetOrAdd(
            engine.GetLeftPart(UriPartial.Authority), static (_, at) => new EngineConnections(at.engine, at.options, at.clock),
            (engine, options: _options, clock: _clock));
        _known.AddOrUpdate(engine, pool);
        return pool;
    }

    private void Sweep()
    {
        foreach (var (name, pool) in _pools)
        {
            pool.Sweep();
            if (pool.IsForgotten(ForgetAfter) && _pools.TryRemove(new(name, pool)))
            {
                // Whoever holds it just now opens one more connection, which is then closed when its answer has been read.
                pool.Dispose();
            }
        }
    }

    /// <summary>The whole head in pooled memory, with room for the body behind it where that is short.</summary>
    private static byte[] RentHead(EngineConnections pool, in UpstreamRequest request, out int length)
    {
        var method = request.Method ?? "POST";
        var hasBody = request.Body.SegmentCount > 0;
        var first = pool.HeadOf(method, request.Path, hasBody);
        var room = first.Length + 64 + (request.Authorization is { } key ? 32 + (key.Length * 3) : 0);
        // Mostly an array; to ask one through its interface for each item costs more than what is copied of it.
        ReadOnlySpan<KeyValuePair<string, string>> headers = request.Headers switch
        {
            null => default,
            KeyValuePair<string, string>[] array => array,
            var list => [.. list],
        };
        foreach (ref readonly var header in headers)
        {
            room += header.Key.Length + (header.Value.Length * 3) + 8;
        }
        var head = ArrayPool<byte>.Shared.Rent(EngineLink.RoomFor(room, request.Body.Length));
        first.CopyTo(head, 0);
        length = first.Length;
        if (hasBody || method is "POST" or "PUT")
        {
            Write("Content-Length: "u8, head, ref length);
            _ = request.Body.Length.TryFormat(head.AsSpan(length), out var digits, default, CultureInfo.InvariantCulture);
            length += digits;
            Write("\r\n"u8, head, ref length);
        }
        if (request.Authorization is { } authorization)
        {
            WriteHeader("Authorization", authorization, head, ref length);
        }
        foreach (ref readonly var header in headers)
        {
            WriteHeader(header.Key, header.Value, head, ref length);
        }
        Write("\r\n"u8, head, ref length);
        return head;
    }

    private static void WriteHeader(string name, string value, byte[] head, ref int length)
    {
        length += Encoding.ASCII.GetBytes(name, head.AsSpan(length));
        Write(": "u8, head, ref length);
        var start = length;
        length += Encoding.UTF8.GetBytes(value, head.AsSpan(length));
        // The server in front lets no line end through; should one come by another way, it must not begin a header.
        var written = head.AsSpan(start, length - start);
        if (written.ContainsAnyInRange((byte)0, (byte)0x1f))
        {
            foreach (ref var b in written)
            {
                b = b < 0x20 && b != '\t' ? (byte)' ' : b;
            }
        }
        Write("\r\n"u8, head, ref length);
    }

    private static void Write(ReadOnlySpan<byte> bytes, byte[] head, ref int length)
    {
        bytes.CopyTo(head.AsSpan(length));
        length += bytes.Length;
    }
}
