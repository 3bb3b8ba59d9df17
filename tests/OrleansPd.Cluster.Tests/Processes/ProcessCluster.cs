using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// A real Redis, real silos, each a process, and simulated engines in this process. The last silo names the engines.
/// </summary>
internal sealed class ProcessCluster : IAsyncDisposable
{
    /// <summary>
    /// Probe timeout of the silos, longer than the default because machines that run tests are slow and busy.
    /// ORLEANSPD_TEST_PROBE_TIMEOUT_MS=500 tests the default.
    /// </summary>
    private static readonly int ProbeTimeoutMs =
        int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_TEST_PROBE_TIMEOUT_MS"), out var ms) ? ms : 1500;

    private readonly List<SimulatedEngine> _engines = [];
    private readonly List<SiloProcess> _silos = [];
    private readonly string[] _more;

    private ProcessCluster(RedisProcess redis, int probeTimeoutMs, string[] more) =>
        (Redis, _more) = (redis, ["--probe-timeout-ms", $"{probeTimeoutMs}", .. more]);

    public RedisProcess Redis { get; }

    public IReadOnlyList<SiloProcess> Silos => _silos;

    public SimulatedEngine[] Decode => [.. _engines.Where(e => e.Options.Role == EngineRole.Decode)];

    public int LiveRequests => _engines.Sum(e => e.Stats.LiveRequests);

    public static async Task<ProcessCluster> StartAsync(
        int silos, int prefill, int decode, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine =
            null, int? probeTimeoutMs = null,
        params string[] more)
    {
        var cluster = new ProcessCluster(await RedisProcess.StartAsync(), probeTimeoutMs ?? ProbeTimeoutMs, more);
        try
        {
            for (var i = 0; i < prefill + decode; i++)
            {
                var wanted = new SimulatedEngineOptions
                {
                    Role = i < prefill ? EngineRole.Prefill : EngineRole.Decode,
                    // An engine that notices a closed connection would hide a missing abort.
                    DisconnectPoll = TimeSpan.FromHours(1),
                };
                cluster._engines.Add(await SimulatedEngine.StartAsync(engine?.Invoke(wanted) ?? wanted, ct: ClusterStage.Token));
            }
            await cluster.Redis.SettleAsync("test", "test");
            // The last silo names the engines, so that any other can be killed.
            for (var i = 0; i < silos; i++)
                await cluster.AddAsync(named: i == silos - 1);
            await cluster.ReadyAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <param name="named">The silo names the engines.</param>
    /// <param name="number">Replaces <c>{n}</c> in the flags; null = the number of silos so far.</param>
    public async Task<SiloProcess> AddAsync(bool named = false, int? number = null)
    {
        string[] engines = named
            ? [.. _engines.SelectMany(e => (string[])[e.Options.Role == EngineRole.Prefill ? "--prefill"
                : "--decode", e.Url.GetLeftPart(UriPartial.Authority)])]
            : [];
        var silo = await SiloProcess.StartAsync(
        [
            "--redis", Redis.Address, "--cluster-id", "test", "--service-id", "test", "--silo-port", "0", "--gateway-port", "0",
            "--host", "127.0.0.1", "--port", "0", .. engines,
            .. _more.Select(flag => flag.Replace("{n}", $"{number ?? _silos.Count}", StringComparison.Ordinal)),
        ]);
        _silos.Add(silo);
        return silo;
    }

    /// <summary>Waits until the gateway of each running silo serves all engines.</summary>
    public async Task ReadyAsync(int atMostSecs = 120)
    {
        foreach (var silo in _silos.Where(s => !s.HasExited && !s.IsFrozen))
        {
            await UntilAsync(
                async () => JsonNode.Parse(await silo.Client.GetStringAsync("workers"))!["workers"]!.AsArray()
                    .Count(w => (string?)w!["phase"] == "ready") == _engines.Count && await IsReadyAsync(silo),
                async () => await silo.Client.GetStringAsync("workers") + string.Join("\n", _silos.Select(s => s.Output)),
                atMostSecs);
        }
    }

    private static async Task<bool> IsReadyAsync(SiloProcess silo)
    {
        using var answer = await silo.Client.GetAsync("readiness");
        return answer.IsSuccessStatusCode;
    }

    /// <summary>Whether the writers of all workers answer this silo.</summary>
    public static async Task<bool> WritersAnswerAsync(SiloProcess silo) =>
        !(await silo.Client.GetStringAsync("workers")).Contains("does not answer", StringComparison.Ordinal);

    public static async Task UntilAsync(Func<Task<bool>> condition, Func<Task<string>> state, int atMostSecs)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ClusterStage.Token);
        limit.CancelAfter(TimeSpan.FromSeconds(atMostSecs));
        while (!await condition())
        {
            Assert.False(limit.IsCancellationRequested, $"not within {atMostSecs} s: {await state()}");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    /// <summary>Whether all shards of the rooms answer this silo.</summary>
    public static async Task<bool> ShardsAnswerAsync(SiloProcess silo)
    {
        // Enough rooms to reach each of the 16 shards.
        using var answer = await silo.Client.PostAsync(
            "query_dp_ranks", new StringContent(
                $$"""{"bootstrap_rooms":[{{string.Join(',', Enumerable.Range(1, 256))}}]}""", Encoding.UTF8, "application/json"));
        return answer.IsSuccessStatusCode;
    }

    /// <summary>A request of some tokens; each takes an engine about 20 ms.</summary>
    public static Task<HttpResponseMessage> GenerateAsync(SiloProcess silo, int tokens, CancellationToken cancellationToken)
    {
        var body = $$$"""{"text":"the quick brown fox","sampling_params":{"max_new_tokens":{{{tokens}}},"temperature":0,"ignore_eos":true}}""";
        return silo.Client.PostAsync("generate", new StringContent(body, Encoding.UTF8, "application/json"), cancellationToken);
    }

    public static async Task<HttpStatusCode> RegisterAsync(SiloProcess silo, long room, int rank)
    {
        var body = $$"""{"bootstrap_room":{{room}},"dp_rank":{{rank}}}""";
        using var answer = await silo.Client.PostAsync(
            "register_dp_rank", new StringContent(body, Encoding.UTF8, "application/json"), ClusterStage.Token);
        return answer.StatusCode;
    }

    public static async Task<JsonObject> QueryAsync(SiloProcess silo, IEnumerable<long> rooms)
    {
        var body = $$"""{"bootstrap_rooms":[{{string.Join(',', rooms)}}]}""";
        using var answer = await silo.Client.PostAsync(
            "query_dp_ranks", new StringContent(body, Encoding.UTF8, "application/json"), ClusterStage.Token);
        var text = await answer.Content.ReadAsStringAsync(ClusterStage.Token);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!.AsObject();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in _silos)
            await silo.DisposeAsync();
        await Redis.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }
}
