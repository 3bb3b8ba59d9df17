using System.Diagnostics;
using System.Text;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>Real processes, a real Redis, real signals. Times are written to the output; asserted are only bounds with a wide margin.</summary>
public sealed class FailureTests : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines = [];
    private readonly List<SiloProcess> _silos = [];
    private RedisServer? _redis;

    [Theory]
    [InlineData(SiloProcess.SigKill)]
    [InlineData(SiloProcess.SigStop)]
    public async Task A_dead_or_frozen_silo_costs_no_request_elsewhere_and_leaves_nothing_on_engines(int signal)
    {
        await StartAsync(silos: 3, prefill: 2, decode: 2);
        var doomed = _silos[0];
        var load = new Load(2, _silos[1], _silos[2]);
        var streams = Enumerable.Range(0, 6).Select(i => OpenStreamAsync(doomed, i)).ToArray();
        // The engines look for closed connections once a minute only: what ends these legs sooner is their abort by id.
        await ClusterStage.UntilAsync(() => _engines.Where(IsDecode).Sum(e => e.Stats.LiveRequests) >= 6);
        await Task.WhenAll(streams);
        await Task.Delay(1000, ClusterStage.Token); // their ids are known to the workers' writers
        var before = load.Served;
        doomed.Signal(signal);
        var killed = Stopwatch.GetTimestamp();
        await ClusterStage.UntilAsync(
            () => _engines.Where(IsDecode).Sum(e => e.Stats.AbortedTotal) >= 6,
            () => LiveRequests() + string.Concat(_silos.Select(s => "\n--\n" + s.Errors)),
            atMostSecs: 60);
        var aborted = Stopwatch.GetElapsedTime(killed);
        await WritersAnswerAsync(_silos[1]);
        var writers = Stopwatch.GetElapsedTime(killed);
        await ClusterStage.UntilAsync(() => load.Served > before + 200);
        var (served, slowest) = await load.EndAsync();
        await ClusterStage.UntilAsync(() => _engines.Sum(e => e.Stats.LiveRequests) == 0, LiveRequests);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"signal {signal}: legs aborted after {aborted.TotalSeconds:F2} s, all writers answered after {writers.TotalSeconds:F2} s, "
            + $"{served} requests elsewhere, the slowest took {slowest.TotalMilliseconds:F0} ms");
        Assert.InRange(aborted.TotalSeconds, 0, 60);
        Assert.InRange(writers.TotalSeconds, 0, 60);
        if (signal == SiloProcess.SigStop)
        {
            // What comes back from the dead ends by itself, and says why.
            doomed.Signal(SiloProcess.SigCont);
            await doomed.ExitAsync();
            Assert.NotEqual(0, doomed.ExitCode);
            Assert.Contains("dead", doomed.Errors);
        }
    }

    [Fact]
    public async Task Redis_may_be_away_and_come_back_empty_under_load()
    {
        await StartAsync(silos: 2, prefill: 1, decode: 1);
        var load = new Load(2, [.. _silos]);
        await ClusterStage.UntilAsync(() => load.Served > 50);
        await _redis!.KillAsync();
        await Task.Delay(Away, ClusterStage.Token);
        var before = load.Served;
        await ClusterStage.UntilAsync(() => load.Served > before + 50);
        await _redis.UpAsync();
        // Whoever comes now joins the cluster that there was, and serves its engines.
        var late = await AddAsync();
        await ReadyAsync(late);
        var (served, slowest) = await load.EndAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"Redis away for {Away.TotalSeconds} s and back empty: {served} requests, the slowest took {slowest.TotalMilliseconds:F0} ms");
        Assert.All(_silos, silo => Assert.False(silo.HasExited, silo.Errors));
        Assert.Contains(_silos, silo => silo.Errors.Contains("put back", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_silo_that_dies_while_Redis_is_away_costs_no_request_elsewhere()
    {
        await StartAsync(silos: 2, prefill: 1, decode: 1);
        var load = new Load(2, _silos[1]);
        await ClusterStage.UntilAsync(() => load.Served > 50);
        await _redis!.KillAsync();
        _silos[0].Signal(SiloProcess.SigKill);
        await Task.Delay(Away, ClusterStage.Token);
        var before = load.Served;
        await ClusterStage.UntilAsync(() => load.Served > before + 50);
        var (served, slowest) = await load.EndAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"silo dead with Redis away for {Away.TotalSeconds} s: {served} requests, the slowest took {slowest.TotalMilliseconds:F0} ms");
    }

    [Fact]
    public async Task SIGTERM_ends_a_silo_in_order_and_its_requests_first()
    {
        await StartAsync(silos: 2, prefill: 1, decode: 1);
        var running = GenerateAsync(_silos[0], 40);
        await ClusterStage.UntilAsync(() => _engines.Where(IsDecode).Sum(e => e.Stats.LiveRequests) > 0);
        _silos[0].Signal(SiloProcess.SigTerm);
        Assert.True(await running);
        await _silos[0].ExitAsync();
        Assert.Equal(0, _silos[0].ExitCode);
        Assert.True(await GenerateAsync(_silos[1], 2));
    }

    [Fact]
    public async Task What_keeps_a_silo_from_starting_is_said_in_a_sentence()
    {
        Assert.SkipUnless(RedisServer.IsInstalled, "redis-server is not installed");
        var nowhere = await SiloProcess.RunAsync("run", "--redis", $"127.0.0.1:{RedisServer.FreePort()}");
        Assert.Equal(1, nowhere.ExitCode);
        Assert.Contains("no Redis answers at 127.0.0.1", nowhere.Errors);
        Assert.Equal(2, (await SiloProcess.RunAsync("run")).ExitCode);
        await StartAsync(silos: 1, prefill: 1, decode: 1);
        var taken = new Uri(_silos[0].Client.BaseAddress!.AbsoluteUri).Port;
        var second = await SiloProcess.RunAsync(
            "run", "--redis", _redis!.Address, "--advertise", "127.0.0.1", "--host", "127.0.0.1", "--port", $"{taken}",
            "--silo-port", $"{RedisServer.FreePort()}", "--gateway-port", "0");
        Assert.Equal(1, second.ExitCode);
        Assert.Contains($"port {taken} on 127.0.0.1 is taken", second.Errors);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in _silos)
        {
            await silo.DisposeAsync();
        }
        if (_redis is not null)
        {
            await _redis.DisposeAsync();
        }
        foreach (var engine in _engines)
        {
            await engine.DisposeAsync();
        }
    }

    /// <summary>How long Redis is away; ORLEANSPD_TEST_REDIS_AWAY_SECS makes it longer.</summary>
    private static TimeSpan Away => TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_TEST_REDIS_AWAY_SECS"), out var secs) ? secs : 6);

    private static bool IsDecode(SimulatedEngine engine) => engine.Options.Role == EngineRole.Decode;

    private static async Task<bool> GenerateAsync(SiloProcess silo, int tokens)
    {
        var body = $$$"""{"text":"one more","sampling_params":{"max_new_tokens":{{{tokens}}},"temperature":0,"ignore_eos":true}}""";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await silo.Client.PostAsync("/generate", content, ClusterStage.Token);
        return response.IsSuccessStatusCode;
    }

    /// <summary>Begins a stream that will not end by itself within the test.</summary>
    private static async Task OpenStreamAsync(SiloProcess silo, int number)
    {
        var body = $$$"""{"text":"stream {{{number}}}","stream":true,"sampling_params":{"max_new_tokens":100000,"temperature":0,"ignore_eos":true}}""";
        var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        var response = await silo.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ClusterStage.Token);
        Assert.True(response.IsSuccessStatusCode);
    }

    private static async Task WritersAnswerAsync(SiloProcess silo)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await silo.AskAsync("/workers", limit.Token)).Contains("does not answer", StringComparison.Ordinal))
        {
            await Task.Delay(20, limit.Token);
        }
    }

    private string LiveRequests() => string.Join(", ", _engines.Select(e => $"{e.Options.Role}: {e.Stats.LiveRequests} live, {e.Stats.AbortedTotal} aborted"));

    private async Task StartAsync(int silos, int prefill, int decode)
    {
        Assert.SkipUnless(RedisServer.IsInstalled, "redis-server is not installed");
        _redis = await RedisServer.StartAsync();
        var named = new List<string>();
        for (var i = 0; i < prefill + decode; i++)
        {
            var engine = await SimulatedEngine.StartAsync(
                new SimulatedEngineOptions
                {
                    Role = i < prefill ? EngineRole.Prefill : EngineRole.Decode,
                    Speed = 4,
                    DisconnectPoll = TimeSpan.FromMinutes(1),
                },
                ct: ClusterStage.Token);
            _engines.Add(engine);
            named.AddRange(i < prefill ? ["--prefill", engine.Url.GetLeftPart(UriPartial.Authority)] : ["--decode", engine.Url.GetLeftPart(UriPartial.Authority)]);
        }
        for (var i = 0; i < silos; i++)
        {
            await AddAsync(i == 0 ? [.. named] : []);
        }
        foreach (var silo in _silos)
        {
            await ReadyAsync(silo);
        }
    }

    private async Task<SiloProcess> AddAsync(params string[] more)
    {
        var silo = await SiloProcess.StartAsync(_redis!, more);
        _silos.Add(silo);
        return silo;
    }

    private async Task ReadyAsync(SiloProcess silo)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            Assert.False(silo.HasExited, silo.Errors);
            var workers = await silo.AskAsync("/workers", limit.Token);
            if (await silo.IsReadyAsync() && workers.Split("\"phase\":\"ready\"").Length - 1 == _engines.Count)
            {
                return;
            }
            await Task.Delay(50, limit.Token);
        }
    }
}
