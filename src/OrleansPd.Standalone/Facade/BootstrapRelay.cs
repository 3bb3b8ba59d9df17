namespace OrleansPd.Standalone.Facade;

/// <summary>
/// Queries the bootstrap server of one epoch of a prefill engine. Its answers do not change within an epoch, so successful ones
/// are cached: decode engines block their scheduler thread on these calls.
/// </summary>
internal sealed class BootstrapRelay(HttpClient http, Uri server, TimeProvider clock)
{
    /// <summary>Below the 5 s after which a decode engine gives up.</summary>
    private static readonly TimeSpan RouteTimeout = TimeSpan.FromSeconds(4);

    /// <summary>Shorter: engines repeat this call automatically, and it blocks them.</summary>
    private static readonly TimeSpan QueryTimeout = TimeSpan.FromSeconds(2);

    private const int MaxCached = 4096;
    private const int MaxCachedQuery = 256;
    private readonly ConcurrentDictionary<string, Lazy<Task<RouteReply>>> _replies = new(StringComparer.Ordinal);

    public int Queries => Volatile.Read(ref _queries);

    private int _queries;

    public static HttpClient CreateClient() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(2),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        UseCookies = false,
        UseProxy = false,
    })
    {
        MaxResponseContentBufferSize = 4 << 20,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <param name="query">The query string as received, with its question mark.</param>
    public Task<RouteReply> RouteAsync(string query)
    {
        if (query.Length > MaxCachedQuery || (_replies.Count >= MaxCached && !_replies.ContainsKey(query)))
            return QueryRouteAsync(query);
        return _replies.GetOrAdd(query, asked => new(() => QueryRouteOnceAsync(asked))).Value;
    }

    /// <summary>The owners of these rooms as the real server knows them; -1 = unknown or no answer in time.</summary>
    public async Task QueryAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken)
    {
        ranks.Span.Fill(-1);
        var body = JsonSerializer.SerializeToUtf8Bytes(new { bootstrap_rooms = rooms.ToArray() });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, "/query_dp_ranks"));
        request.Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
        if (await SendAsync(request, QueryTimeout, cancellationToken) is not { IsOk: true } reply)
            return;
        try
        {
            using var known = JsonDocument.Parse(reply.Body);
            for (var i = 0; i < rooms.Length; i++)
            {
                if (known.RootElement.TryGetProperty($"{rooms.Span[i]}", out var rank) && rank.TryGetInt32(out var number))
                    ranks.Span[i] = number;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Unreadable answer: treated as unknown; the engine queries again.
        }
    }

    /// <summary>Concurrent equal queries share one call; only a successful answer is cached.</summary>
    private async Task<RouteReply> QueryRouteOnceAsync(string query)
    {
        await Task.Yield(); // so that the entry is in the table before it can be removed
        var reply = await QueryRouteAsync(query);
        if (!reply.IsOk)
            _replies.TryRemove(query, out _);
        return reply;
    }

    private async Task<RouteReply> QueryRouteAsync(string query)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, "/route" + query));
        var reply = await SendAsync(request, RouteTimeout, CancellationToken.None);
        // An engine retries after any status but 200.
        return reply?.WithoutHttpPort()
            ?? new RouteReply(503, "text/plain; charset=utf-8", "The prefill's bootstrap server does not answer."u8.ToArray());
    }

    private async Task<RouteReply?> SendAsync(HttpRequestMessage request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _queries);
        using var limit = new CancellationTokenSource(timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            request.Version = HttpVersion.Version11;
            using var response = await http.SendAsync(request, both.Token);
            var body = await response.Content.ReadAsByteArrayAsync(both.Token);
            var type = response.Content.Headers.NonValidated.TryGetValues("Content-Type", out var values) ? values.ToString()
                : null;
            return new RouteReply((int)response.StatusCode, type, body);
        }
        catch (Exception e) when (
            e is HttpRequestException or IOException || (e is OperationCanceledException && limit.IsCancellationRequested))
        {
            return null;
        }
    }
}
