using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Faults;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Standalone;

/// <summary>
/// Who gets in, who waits and who is sent away, and what the gateway says about it, with the control plane of one process.
/// </summary>
public sealed class AdmissionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_cannot_be_served_in_time_is_told_when_to_come_again_and_nobody_is_above_the_window()
    {
        await using var stage = await StartAsync(o => (o.QueueSize, o.QueueTimeoutSecs, o.MaxRunningPerDecodeRank) = (2, 1, 1));
        stage.Decode[0].Faults.Add(new Fault(FaultKind.WedgeDecode));
        var first = SendAsync(stage, "served-late");
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.LiveRequests == 1, TimeSpan.FromSeconds(20));
        var waiting = new[] { SendAsync(stage, "waited"), SendAsync(stage, "waited-too") };
        await LiveStage.UntilAsync(() => Waiting(stage) == 2, TimeSpan.FromSeconds(20));

        using var full = await SendAsync(stage, "too-many");
        await RefusedAsync(full, HttpStatusCode.ServiceUnavailable, "queue_full");
        foreach (var response in await Task.WhenAll(waiting))
        {
            await RefusedAsync(response, HttpStatusCode.ServiceUnavailable, "queue_timeout");
            response.Dispose();
        }
        Assert.Equal(1, stage.Decode[0].Stats.LiveRequests);
        stage.Decode[0].Faults.Clear();
        using var served = await first;
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);

        var record = await DebugAsync(stage, "waited");
        Assert.Equal("queue_timeout", (string)record["calls"]![0]!["reason"]!);
        Assert.NotNull((string?)record["calls"]![0]!["refusal"]);
        var metrics = await stage.Client.GetStringAsync("/metrics", Token);
        Assert.Contains("orleanspd_gateway_requests_total{route=\"/generate\",reason=\"queue_full\",side=\"gateway\"} 1\n",
            metrics);
        Assert.Contains("orleanspd_gateway_requests_total{route=\"/generate\",reason=\"queue_timeout\",side=\"gateway\"} 2\n",
            metrics);
    }

    [Fact]
    public async Task No_more_requests_are_in_flight_than_allowed_and_those_behind_them_wait_their_turn()
    {
        await using var stage = await StartAsync(o => o.MaxConcurrentRequests = 2);
        stage.Decode[0].Faults.Add(new Fault(FaultKind.WedgeDecode));
        var all = Enumerable.Range(0, 6).Select(i => SendAsync(stage, $"r{i}")).ToArray();
        await LiveStage.UntilAsync(
            () => stage.Decode[0].Stats.LiveRequests == 2 && Waiting(stage) == 4, TimeSpan.FromSeconds(20));
        stage.Decode[0].Faults.Clear();
        foreach (var response in await Task.WhenAll(all))
        {
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            response.Dispose();
        }
    }

    [Fact]
    public async Task Too_many_requests_a_second_are_429_with_the_time_to_come_again()
    {
        await using var stage = await StartAsync(o => o.RateLimitTokensPerSecond = 1);
        using var first = await SendAsync(stage, "first");
        using var second = await SendAsync(stage, "second");
        var (served, limited) = first.StatusCode == HttpStatusCode.OK ? (first, second) : (second, first);
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
        await RefusedAsync(limited, HttpStatusCode.TooManyRequests, "rate_limit_exceeded");
    }

    [Fact]
    public async Task Debug_says_what_became_of_a_request_and_why_this_pair()
    {
        await using var stage = await StartAsync(
            o => (o.Policy, o.DecodePolicy) = ("cache_aware", "least_load"), prefill: 2, ranks: 2);
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.Refuse));
        stage.Prefill[1].Faults.Add(new Fault(FaultKind.Refuse));
        using var failed = await SendAsync(stage, "why-not");
        stage.Prefill[0].Faults.Clear();
        stage.Prefill[1].Faults.Clear();
        await LiveStage.UntilAsync(
            () => stage.Gateway.ControlPlane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), TimeSpan.FromSeconds(30));
        using var good = await SendAsync(stage, "why");

        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        var call = (await DebugAsync(stage, "why"))["calls"]![0]!;
        var attempt = call["attempts"]!.AsArray().Single()!;
        Assert.Equal("ok", (string)call["reason"]!);
        Assert.Contains((string)attempt["prefill"]!, stage.Prefill.Select(e => e.Url.ToString().TrimEnd('/')));
        Assert.InRange((int)attempt["prefill_rank"]!, 0, 1);
        Assert.Equal((int)attempt["prefill_rank"]!, long.Parse((string)attempt["rooms"]![0]!) % 2);
        Assert.True((double)attempt["first_output_ms"]! <= (double)attempt["decode_ms"]!);
        Assert.NotNull((double?)attempt["prefill_ms"]);
        var choice = attempt["choice"]!;
        Assert.Equal(("pair", "cache_aware", "least_load"), (
            (string)choice["route"]!, (string)choice["prefill_policy"]!, (string)choice["decode_policy"]!));
        Assert.Equal((4, 2), ((int)choice["prefill_candidates"]!, (int)choice["decode_candidates"]!));
        Assert.True((long)choice["uncached_tokens"]! > 0);
        Assert.Contains("prefill by cache_aware, score", (string)attempt["why"]!);

        var lost = (await DebugAsync(stage, "why-not"))["calls"]![0]!;
        Assert.NotEqual("ok", (string)lost["reason"]!);
        var tried = lost["attempts"]!.AsArray();
        Assert.Equal(2, tried.Count); // a retry, on the other prefill
        Assert.NotEqual((string)tried[0]!["prefill"]!, (string)tried[1]!["prefill"]!);
        Assert.NotEqual((string)tried[0]!["rooms"]![0]!, (string)tried[1]!["rooms"]![0]!);
        Assert.All(tried, t => Assert.Equal("prefill", (string)t!["blame"]!));
    }

    private static Task<LiveStage> StartAsync(Action<Core.Options.ControlPlaneOptions> change, int prefill = 1, int ranks = 1)
    {
        var options = new GatewayOptions { Upstream = Stage.DefaultUpstream };
        options.ControlPlane.Policy = "round_robin";
        options.ControlPlane.LivenessIntervalSecs = 1;
        change(options.ControlPlane);
        return LiveStage.StartAsync(
            prefill, 1, options, engine => engine with { Speed = 0, DpSize = ranks, TransferBackend = "mooncake" });
    }

    private static int Waiting(LiveStage stage) => ((EmbeddedControlPlane)stage.Gateway.ControlPlane).Waiting;

    private static async Task<HttpResponseMessage> SendAsync(LiveStage stage, string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(
                """{"text":"The capital of France","sampling_params":{"max_new_tokens":4,"ignore_eos":true}}""", Encoding.UTF8,
                "application/json"),
        };
        request.Headers.Add("x-request-id", id);
        return await stage.Client.SendAsync(request, Token);
    }

    private static async Task RefusedAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        var body = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == status, $"{(int)response.StatusCode}: {body}");
        Assert.Equal(code, response.Headers.GetValues("x-router-error-code").Single());
        Assert.InRange(int.Parse(response.Headers.GetValues("Retry-After").Single()), 1, 60);
    }

    private static async Task<JsonNode> DebugAsync(LiveStage stage, string id) =>
        JsonNode.Parse(await stage.Client.GetStringAsync($"/debug/requests/{id}", Token))!;
}
