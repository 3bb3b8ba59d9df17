using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

/// <summary>What SGLang's tools and an operator ask, besides generating.</summary>
public class InfoTests
{
    [Theory]
    [InlineData("/server_info")]
    [InlineData("/get_server_info")]
    public async Task Server_info_has_both_pools_and_never_a_key(string path)
    {
        await using var stage = await Stage.StartAsync(
            2, 2, decodeDp: 2, engine: o => o with { ApiKey = "sk-engine", AdminApiKey = "sk-admin" });

        var text = await stage.Client.GetStringAsync(path, Stage.Token);
        var info = JsonNode.Parse(text)!;

        Assert.Equal(2, info["prefill"]!.AsArray().Count);
        Assert.Equal(2, info["decode"]!.AsArray().Count);
        Assert.Equal(4, info["internal_states"]!.AsArray().Count);
        Assert.NotNull(info["prefill"]![0]!["tokenizer_path"]);
        Assert.DoesNotContain("sk-", text);
        Assert.DoesNotContain("api_key", text);
    }

    [Fact]
    public async Task Server_info_of_a_dead_engine_is_null_and_the_rest_is_there()
    {
        await using var stage = await Stage.StartAsync(1, 2);
        await stage.Decode.First().KillAsync();

        var info = JsonNode.Parse(await stage.Client.GetStringAsync("/server_info", Stage.Token))!;

        Assert.Null(info["decode"]![0]);
        Assert.NotNull(info["decode"]![1]);
    }

    [Fact]
    public async Task Model_info_is_the_prefills()
    {
        await using var stage = await Stage.StartAsync();

        var info = JsonNode.Parse(await stage.Client.GetStringAsync("/model_info", Stage.Token))!;

        Assert.Equal(stage.Prefill.Single().Options.ModelPath, (string)info["model_path"]!);
        Assert.NotNull(info["tokenizer_path"]);
    }

    [Fact]
    public async Task Models_are_listed_and_one_is_found_by_name()
    {
        await using var stage = await Stage.StartAsync();

        var list = JsonNode.Parse(await stage.Client.GetStringAsync("/v1/models", Stage.Token))!;
        var card = JsonNode.Parse(await stage.Client.GetStringAsync("/v1/models/sim", Stage.Token))!;
        using var unknown = await stage.Client.GetAsync("/v1/models/nobody", Stage.Token);

        Assert.Equal("sim", (string)Assert.Single(list["data"]!.AsArray())!["id"]!);
        Assert.Equal(stage.Prefill.Single().Options.ContextLength, (int)card["max_model_len"]!);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Health_asks_nobody_and_readiness_wants_a_pair()
    {
        await using var stage = await Stage.StartAsync();
        using var ready = await stage.Client.GetAsync("/readiness", Stage.Token);
        using var generated = await stage.Client.GetAsync("/health_generate", Stage.Token);
        stage.ControlPlane.Fleet = new(2, stage.ControlPlane.Fleet.Prefill);

        using var alone = await stage.Client.GetAsync("/readiness", Stage.Token);
        using var health = await stage.Client.GetAsync("/health", Stage.Token);
        using var liveness = await stage.Client.GetAsync("/liveness", Stage.Token);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (ready.StatusCode, generated.StatusCode));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, alone.StatusCode);
        Assert.Contains("no decode worker", await alone.Content.ReadAsStringAsync(Stage.Token));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (health.StatusCode, liveness.StatusCode));
    }

    [Fact]
    public async Task Health_generate_fails_when_a_real_generation_does()
    {
        await using var stage = await Stage.StartAsync();
        stage.Decode.Single().Faults.Add(new(Simulator.Faults.FaultKind.FailTransfer));

        using var response = await stage.Client.GetAsync("/health_generate", Stage.Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task Metrics_count_outcomes_and_open_legs()
    {
        await using var stage = await Stage.StartAsync();
        await stage.AskAsync("/generate", """{"text":"x","sampling_params":{"max_new_tokens":2}}""");
        using var bad = await stage.PostAsync("/generate", "{}");
        await stage.EmptyAsync();

        var text = await stage.Client.GetStringAsync("/metrics", Stage.Token);

        Assert.Contains("orleanspd_gateway_requests_total{route=\"/generate\",reason=\"ok\",side=\"none\"} 1\n", text);
        Assert.Contains("orleanspd_gateway_requests_total{route=\"/generate\",reason=\"invalid_request\",side=\"client\"} 1\n",
            text);
        Assert.Contains("orleanspd_gateway_open_legs{role=\"prefill\"} 0\n", text);
        Assert.Contains("orleanspd_gateway_workers{role=\"decode\",phase=\"ready\"} 1\n", text);
        Assert.Contains("orleanspd_gateway_first_content_seconds_count 1\n", text);
    }

    [Fact]
    public async Task Debug_tells_pair_room_and_times_of_a_request_by_its_id()
    {
        await using var stage = await Stage.StartAsync(prefillDp: 2);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(
                """{"text":"x","sampling_params":{"max_new_tokens":2}}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("x-request-id", "find-me");

        using var response = await stage.Client.SendAsync(request, Stage.Token);
        var record = JsonNode.Parse(await stage.Client.GetStringAsync("/debug/requests/find-me", Stage.Token))!;
        using var unknown = await stage.Client.GetAsync("/debug/requests/nobody", Stage.Token);

        Assert.Equal("find-me", response.Headers.GetValues("x-request-id").Single());
        var attempt = record["calls"]![0]!["attempts"]![0]!;
        var lease = stage.ControlPlane.Leases.Single();
        Assert.Equal(lease.Prefill!.Id.Value, (string)attempt["prefill"]!);
        Assert.Equal(lease.PrefillRank, (int)attempt["prefill_rank"]!);
        Assert.Equal(lease.Room.ToString(), (string)attempt["rooms"]![0]!);
        Assert.True((double)attempt["first_output_ms"]! > 0);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }
}
