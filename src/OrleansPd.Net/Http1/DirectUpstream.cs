namespace OrleansPd.Net.Http1;

/// <summary>
/// Our HTTP/1.1 client: connections per host, one send for head and body, responses parsed in the receive buffer, reused
/// allocations. It behaves as <see cref="HandlerUpstream"/> does.
/// </summary>
public sealed class DirectUpstream : IUpstream
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    /// <summary>A host without connections is removed when no request was sent to it for this long.</summary>
    private static readonly TimeSpan HostExpiry = TimeSpan.FromMinutes(1);

    private readonly UpstreamOptions _options;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, HostConnections> _hosts = new(StringComparer.Ordinal);
    // A cache in front of the dictionary. Snapshots pass the same Uri instances again and again, and hashing a Uri is expensive.
    private readonly ConditionalWeakTable<Uri, HostConnections> _byUri = [];
    private readonly ITimer _sweep;
    private volatile bool _disposed;

    public DirectUpstream(UpstreamOptions? options = null, TimeProvider? clock = null)
    {
        _options = options ?? new UpstreamOptions();
        _clock = clock ?? TimeProvider.System;
        _sweep = _clock.CreateTimer(static state => ((DirectUpstream)state!).Sweep(), this, SweepInterval, SweepInterval);
    }

    public ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var host = HostOf(request.Engine);
        return host.Rent() is { } connection
            ? Begin(host, connection, request, cancellationToken)
            : ConnectAndSendAsync(host, request, cancellationToken);
    }

    private async ValueTask<IUpstreamResponse> ConnectAndSendAsync(
        HostConnections host, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var connection = await host.ConnectAsync(request.ConnectTimeout, cancellationToken).ConfigureAwait(false);
        return await Begin(host, connection, request, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<IUpstreamResponse> Begin(
        HostConnections host, Http1Connection connection, in UpstreamRequest request, CancellationToken cancellationToken)
    {
        var head = RentHead(host, request, out var length);
        return new DirectResponse(host, connection, _options, _clock, cancellationToken)
            .ExchangeAsync(head, length, request.Body);
    }

    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        await _sweep.DisposeAsync().ConfigureAwait(false);
        foreach (var host in _hosts.Values)
            host.Dispose();
    }

    private HostConnections HostOf(Uri engine)
    {
        if (_byUri.TryGetValue(engine, out var host) && !host.IsDisposed)
            return host;
        host = _hosts.GetOrAdd(
            engine.GetLeftPart(UriPartial.Authority), static (_, at) => new HostConnections(at.engine, at.options, at.clock),
            (engine, options: _options, clock: _clock));
        _byUri.AddOrUpdate(engine, host);
        return host;
    }

    private void Sweep()
    {
        foreach (var (name, host) in _hosts)
        {
            host.Sweep();
            if (host.IsUnused(HostExpiry) && _hosts.TryRemove(new(name, host)))
            {
                // A request that holds the removed host opens one more connection, which is closed after its response.
                host.Dispose();
            }
        }
    }

    /// <summary>The head in pooled memory, with room for a short body behind it.</summary>
    private static byte[] RentHead(HostConnections host, in UpstreamRequest request, out int length)
    {
        var method = request.Method ?? "POST";
        var hasBody = request.Body.SegmentCount > 0;
        var credentials = request.Credentials;
        var first = host.HeadOf(method, request.Path, hasBody);
        var size = first.Length + 64 + (credentials is { Length: var chars } ? 32 + (chars * 3) : 0);
        // Mostly an array: enumerate that directly, as an interface call for each item costs more than copying the item.
        ReadOnlySpan<KeyValuePair<string, string>> headers = request.Headers switch
        {
            null => default,
            KeyValuePair<string, string>[] array => array,
            var list => [.. list],
        };
        foreach (ref readonly var header in headers)
            size += header.Key.Length + (header.Value.Length * 3) + 8;
        var head = ArrayPool<byte>.Shared.Rent(Http1Connection.SendBufferSize(size, request.Body.Length));
        first.CopyTo(head, 0);
        length = first.Length;
        if (hasBody || method is "POST" or "PUT")
        {
            Write("Content-Length: "u8, head, ref length);
            _ = request.Body.Length.TryFormat(head.AsSpan(length), out var digits, default, CultureInfo.InvariantCulture);
            length += digits;
            Write("\r\n"u8, head, ref length);
        }
        if (credentials is not null)
            WriteHeader("Authorization", credentials, head, ref length);
        foreach (ref readonly var header in headers)
            WriteHeader(header.Key, header.Value, head, ref length);
        Write("\r\n"u8, head, ref length);
        return head;
    }

    private static void WriteHeader(string name, string value, byte[] head, ref int length)
    {
        length += Encoding.ASCII.GetBytes(name, head.AsSpan(length));
        Write(": "u8, head, ref length);
        var start = length;
        length += Encoding.UTF8.GetBytes(value, head.AsSpan(length));
        // The server in front rejects line ends in header values. Replace control characters anyway, against header injection.
        var written = head.AsSpan(start, length - start);
        if (written.ContainsAnyInRange((byte)0, (byte)0x1f))
        {
            foreach (ref var b in written)
                b = b < 0x20 && b != '\t' ? (byte)' ' : b;
        }
        Write("\r\n"u8, head, ref length);
    }

    private static void Write(ReadOnlySpan<byte> bytes, byte[] head, ref int length)
    {
        bytes.CopyTo(head.AsSpan(length));
        length += bytes.Length;
    }
}
