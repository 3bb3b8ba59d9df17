using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests;

/// <summary>Embeddings and their kin are admitted, blamed, retried and counted as all requests are.</summary>
public sealed class RegularRouteTests
{
    private const string Body = """{"model":"sim","input":"x"}""";

    [Theory]
    [InlineData("/v1/embeddings")]
    [InlineData("/v1/classify")]
    public async Task A_request_takes_a_place_and_the_next_one_waits_for_it(string path)
    {
        var (stage, engines) = await StartAsync(1, o => o.ControlPlane.MaxRunningPerDecodeRank = 1);
        await using var all = stage;
        var plane = (EmbeddedControlPlane)stage.Gateway.ControlPlane;
        engines[0].Faults.Add(new Fault(FaultKind.Hang) { Count = 1 });
        using var client = new HttpClient { BaseAddress = stage.Gateway.Url };
        using var leaves = new CancellationTokenSource();
        using var content = new StringContent(Body, System.Text.Encoding.UTF8, "application/json");
        var first = client.PostAsync(path, content, leaves.Token);
        await ManagedStage.UntilAsync(
            () => plane.Leases == 1 && engines[0].Faults.Active.Count == 0, "the engine has the first and keeps it");

        var second = stage.SendAsync("POST", path, Body);
        await ManagedStage.UntilAsync(() => plane.Waiting == 1, "the second waits");
        Assert.False(second.IsCompleted);
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);

        using var served = await second;
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
        await ManagedStage.UntilAsync(() => plane.Leases == 0 && stage.Gateway.Dispatcher.OpenDecodeLegs == 0, "nothing is left");
    }

    [Fact]
    public async Task Failures_of_the_engine_open_its_breaker_and_those_of_the_client_do_not()
    {
        var (stage, engines) = await StartAsync(1, o =>
        {
            (o.RetryMaxRetries, o.ControlPlane.ReturnWaitSecs) = (0, 0);
            (o.ControlPlane.CbFailureThreshold, o.ControlPlane.CbTimeoutDurationSecs) = (2, 3600);
        });
        await using var all = stage;
        for (var i = 0; i < 3; i++)
        {
            var (bad, words) = await stage.CallAsync("POST", "/v1/rerank", new JsonObject { ["model"] = "sim" });
            Assert.Equal(400, bad);
            Assert.Contains("query", words.ToJsonString());
        }
        Assert.Equal(WorkerPhase.Ready, stage.Gateway.ControlPlane.Fleet.Regular[0].Phase);

        engines[0].Faults.Add(new Fault(FaultKind.Status));
        for (var i = 0; i < 2; i++)
        {
            var (failed, words) = await stage.CallAsync("POST", "/v1/embeddings", JsonNode.Parse(Body));
            Assert.Equal(500, failed);
            Assert.Contains("Injected fault", words.ToJsonString());
        }
        await ManagedStage.UntilAsync(
            () => stage.Gateway.ControlPlane.Fleet.Regular[0].Phase == WorkerPhase.Broken, "its breaker is open");
        using var refused = await stage.SendAsync("POST", "/v1/embeddings", Body);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("no_healthy_workers", refused.Headers.GetValues("x-router-error-code").Single());
        Assert.NotNull(refused.Headers.RetryAfter);
    }

    [Theory]
    [InlineData(FaultKind.Status, "regular_error")]
    [InlineData(FaultKind.Reset, "regular_broken")]
    public async Task A_failed_attempt_goes_to_another_engine_once_and_is_counted(FaultKind kind, string reason)
    {
        var (stage, engines) = await StartAsync(2, o => o.ControlPlane.Policy = "least_load");
        await using var all = stage;
        foreach (var engine in engines)
            engine.Faults.Add(new Fault(kind) { Count = 1 });

        // Both strike: the second attempt fails too, and there is no third.
        using var failed = await stage.SendAsync("POST", "/v1/embeddings", Body);
        Assert.True((int)failed.StatusCode >= 500, $"{failed.StatusCode}");
        Assert.Equal(1, stage.Gateway.Dispatcher.Retries);

        for (var i = 0; i < 4; i++)
        {
            using var response = await stage.SendAsync("POST", "/v1/embeddings", Body);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
        using var scraped = await stage.SendAsync("GET", "/metrics");
        var metrics = await scraped.Content.ReadAsStringAsync(ManagedStage.Token);
        Assert.Contains($"orleanspd_gateway_failed_attempts_total{{reason=\"{reason}\",side=\"decode\"}}", metrics);
        Assert.Contains("orleanspd_gateway_requests_total{route=\"/v1/embeddings\",reason=\"ok\",side=\"none\"} 4", metrics);
    }

    [Fact]
    public async Task The_answer_has_the_request_s_id_and_the_log_says_where_it_went()
    {
        var stage = (await StartAsync(1, _ => { })).Stage;
        await using var all = stage;
        using var response = await stage.SendAsync("POST", "/v1/embeddings", Body);
        var id = response.Headers.GetValues("x-request-id").Single();

        await ManagedStage.UntilAsync(() => stage.Gateway.Requests.Find(id) is not null, "it is in the log");
        var told = (await stage.CallAsync("GET", "/debug/requests/" + id)).Body;

        Assert.Equal("/v1/embeddings", (string)told["route"]!);
        Assert.Contains("regular", (string)told["calls"]![0]!["attempts"]![0]!["why"]!);
    }

    [Fact]
    public async Task Without_regular_engines_it_is_400_and_with_one_that_is_not_ready_503()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ControlPlane.ReturnWaitSecs = 0);
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, d);
        using var none = await stage.SendAsync("POST", "/v1/embeddings", Body);
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);

        var (engine, r) = await stage.WorkerAsync(EngineRole.Regular);
        await stage.ReadyAsync(r);
        await engine.KillAsync();
        await ManagedStage.UntilAsync(() => !stage.Gateway.ControlPlane.Fleet.Regular[0].IsPairable, "the gateway has noticed");
        using var away = await stage.SendAsync("POST", "/v1/embeddings", Body);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, away.StatusCode);
    }

    private static async Task<(ManagedStage Stage, SimulatedEngine[] Engines)> StartAsync(
        int regular, Action<GatewayOptions> options)
    {
        var stage = await ManagedStage.StartAsync(options);
        var engines = new List<SimulatedEngine>();
        for (var i = 0; i < regular; i++)
        {
            var (engine, id) = await stage.WorkerAsync(EngineRole.Regular);
            engines.Add(engine);
            await stage.ReadyAsync(id);
        }
        return (stage, [.. engines]);
    }
}
