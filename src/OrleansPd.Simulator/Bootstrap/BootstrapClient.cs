using System.Net.Http.Json;
using OrleansPd.Simulator.Http;

namespace OrleansPd.Simulator.Bootstrap;

/// <summary>
/// What a decode rank knows of prefill servers, per <c>host:port</c> as spelt in requests. All calls but the heartbeat stop
/// the rank's steps while they last, as on SGLang's scheduler thread.
/// </summary>
internal sealed class BootstrapClient(EngineProcess engine, SemaphoreSlim scheduler, HttpClient http)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan QueryPause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Server> _servers = new();

    public IEnumerable<string> Addresses => _servers.Where(server => server.Value.Info is not null).Select(server => server.Key);

    /// <summary>
    /// The server's information, fetched once; null after the last failed attempt, which fails all requests that wait for it.
    /// </summary>
    public async Task<PrefillInfo?> InfoAsync(string address, CancellationToken ct)
    {
        var server = _servers.GetOrAdd(address, _ => new Server());
        if (server.Info is { } known)
            return known;
        Task<PrefillInfo?> fetch;
        lock (server)
            fetch = server.Fetch ??= FetchInfoAsync(address, server);
        return await fetch.WaitAsync(ct);
    }

    /// <summary>Where a rank of the prefill listens; null where it cannot be had, and nothing is cached then.</summary>
    public async Task<RankAddress?> RankAsync(string address, int dpRank, CancellationToken ct)
    {
        var server = _servers.GetOrAdd(address, _ => new Server());
        if (server.Ranks.TryGetValue(dpRank, out var cached))
            return cached;
        await scheduler.WaitAsync(ct);
        try
        {
            if (server.Ranks.TryGetValue(dpRank, out cached))
                return cached;
            var query = string.Create(CultureInfo.InvariantCulture,
                $"route?prefill_dp_rank={dpRank}&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0");
            if (await GetAsync(address, query) is not { } body || body.Text("rank_ip") is not { } ip
                || body.Int("rank_port") is not { } port)
            {
                return null;
            }
            var rank = new RankAddress(ip, port);
            server.Ranks[dpRank] = rank;
            return rank;
        }
        finally
        {
            scheduler.Release();
        }
    }

    /// <summary>Queries the owner of a room until there is one. There is no timeout.</summary>
    public async Task<int> OwnerAsync(string address, long room, CancellationToken ct)
    {
        while (true)
        {
            await scheduler.WaitAsync(ct);
            try
            {
                using var limit = new CancellationTokenSource(CallTimeout, engine.Clock);
                using var response = await http.PostAsJsonAsync(
                    $"http://{address}/query_dp_ranks", new Dictionary<string, long[]> { ["bootstrap_rooms"] = [room] },
                    limit.Token);
                var owners = await response.Content.ReadFromJsonAsync<JsonElement>(limit.Token);
                if (owners.TryGetProperty(room.ToString(CultureInfo.InvariantCulture), out var rank))
                    return rank.GetInt32();
            }
            catch (Exception e) when (IsCallFailure(e))
            {
                // Repeated with the next cycle.
            }
            finally
            {
                scheduler.Release();
            }
            await Task.Delay(QueryPause, engine.Clock, ct);
        }
    }

    /// <summary>Probes every known server in turn; one that fails too often is forgotten and reported.</summary>
    public async Task HeartbeatAsync(Action<string> lost, CancellationToken ct)
    {
        while (true)
        {
            foreach (var (address, server) in _servers)
            {
                if (server.Info is null)
                    continue;
                if (await ProbeAsync(address, ct))
                {
                    server.Failures = 0;
                }
                else if (++server.Failures >= engine.Options.HeartbeatMaxFailure)
                {
                    Evict(address);
                    lost(address);
                }
            }
            await Task.Delay(engine.Options.HeartbeatInterval, engine.Clock, ct);
        }
    }

    /// <summary>Drops the address, and the ranks of every address that begins with it. The count of failures stays.</summary>
    private void Evict(string failed)
    {
        foreach (var (address, server) in _servers)
        {
            if (address == failed)
                server.Info = null;
            if (address.StartsWith(failed, StringComparison.Ordinal))
                server.Ranks.Clear();
        }
    }

    private async Task<bool> ProbeAsync(string address, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var timer = new CancellationTokenSource(ProbeTimeout, engine.Clock);
        await using var link = timer.Token.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), limit);
        try
        {
            using var response = await http.GetAsync($"http://{address}/health", limit.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (IsCallFailure(e) && !ct.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task<PrefillInfo?> FetchInfoAsync(string address, Server server)
    {
        await Task.Yield();
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                await scheduler.WaitAsync(engine.Ended);
                try
                {
                    var body = await GetAsync(
                        address, "route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1");
                    if (body is { } found && PrefillInfo.Unpack(found, engine.Profile) is { } info)
                    {
                        server.Info = info;
                        return info;
                    }
                }
                finally
                {
                    scheduler.Release();
                }
                if (attempt >= engine.Options.BootstrapTries)
                    return null;
                await Task.Delay(engine.Options.BootstrapRetry, engine.Clock, engine.Ended);
            }
        }
        finally
        {
            lock (server)
                server.Fetch = null;
        }
    }

    private async Task<JsonElement?> GetAsync(string address, string pathAndQuery)
    {
        using var limit = new CancellationTokenSource(CallTimeout, engine.Clock);
        try
        {
            using var response = await http.GetAsync($"http://{address}/{pathAndQuery}", limit.Token);
            return response.IsSuccessStatusCode ? await response.Content.ReadFromJsonAsync<JsonElement>(limit.Token) : null;
        }
        catch (Exception e) when (IsCallFailure(e))
        {
            return null;
        }
    }

    private static bool IsCallFailure(Exception e) =>
        e is HttpRequestException or OperationCanceledException or JsonException or IOException or UriFormatException
            or InvalidOperationException;

    private sealed class Server
    {
        public volatile PrefillInfo? Info;

        public Task<PrefillInfo?>? Fetch { get; set; }

        public ConcurrentDictionary<int, RankAddress> Ranks { get; } = new();

        public int Failures { get; set; }
    }
}
