using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Tooling;

/// <summary>The engines' loads through the gateway, and pairs for callers that send to the engines themselves.</summary>
public sealed class LoadAndPairTests
{
    [Fact]
    public async Task Loads_hold_every_rank_of_every_engine()
    {
        await using var stage = await Stage.StartAsync(1, 2, prefillDp: 2, decodeDp: 3);

        var all = (await stage.Client.GetFromJsonAsync<JsonNode>("/v1/loads?include=core,disagg", Stage.Token))!;
        var ranks = all["loads"]!.AsArray();
        Assert.Equal(2 + 3 + 3, ranks.Count);
        Assert.Equal(2, ranks.Count(r => (string)r!["worker_type"]! == "prefill"));
        Assert.Equal("decode", (string)ranks.Last()!["disaggregation"]!["mode"]!);
        Assert.Null(ranks[0]!["memory"]);
        Assert.Equal("0.5.18", (string)all["version"]!);
        Assert.Equal(3, (await stage.Client.GetFromJsonAsync<JsonNode>("/v1/loads?dp_rank=0", Stage.Token))!["loads"]!.AsArray(
            ).Count);
        Assert.Equal(8, (await stage.Client.GetFromJsonAsync<JsonNode>("/get_load", Stage.Token))!.AsArray().Count);
    }

    [Fact]
    public async Task A_word_that_engines_refuse_in_plain_text_is_their_status_and_their_words()
    {
        await using var stage = await Stage.StartAsync();

        using var response = await stage.Client.GetAsync(new Uri("/v1/loads?include=nonsense", UriKind.Relative), Stage.Token);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!;

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Empty(answer["loads"]!.AsArray());
        Assert.Equal(2, answer["failed"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_number_an_engine_is_what_the_SGLang_gateway_gives_and_minus_one_where_none_is_known()
    {
        await using var stage = await Stage.StartAsync();
        await stage.Decode.Single().KillAsync();

        using var response = await stage.Client.GetAsync(new Uri("/get_loads", UriKind.Relative), Stage.Token);
        var workers = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!["workers"]!.AsArray();

        Assert.Equal(HttpStatusCode.PartialContent, response.StatusCode);
        Assert.Equal([(0L, "prefill"), (-1L, "decode")], workers.Select(w => ((long)w!["load"]!, (string)w["worker_type"]!)));
    }

    [Fact]
    public async Task A_pair_and_its_triplet_serve_a_caller_that_adds_nothing_else()
    {
        await using var stage = await PairStageAsync(4, 4);
        var pair = await RouteAsync(stage, """{"model":"sim"}""");
        var (prefill, decode) = ((string)pair["prefill_addr"]!, (string)pair["decode_addr"]!);
        Assert.Equal(stage.Prefill[0].Url.GetLeftPart(UriPartial.Authority), prefill);
        Assert.Equal(stage.Prefill[0].BootstrapPort, (int)pair["bootstrap_port"]!);
        Assert.InRange((long)pair["bootstrap_room"]!, 1, long.MaxValue);

        // As AReaL's gateway does: the same body with the three members to both, at the same time.
        const string prompt = "The capital of France";
        var body = $$"""
            {"text":"{{prompt}}","sampling_params":{"max_new_tokens":8,"ignore_eos":true},"bootstrap_host":"{{pair["bootstrap_host"]}}",
             "bootstrap_port":{{pair["bootstrap_port"]}},"bootstrap_room":{{pair["bootstrap_room"]}}}
            """;
        using var client = new HttpClient();
        var legs = await Task.WhenAll(PostAsync(prefill), PostAsync(decode));

        Assert.Equal(ReferenceModel.Complete(prompt, 8, new Sampling { IgnoreEos = true }), (string)legs[1]["text"]!);
        Assert.Empty(stage.Prefill[0].Stats.RouterErrors);
        Assert.Equal((int)pair["prefill_members"]!["routed_dp_rank"]!, (int)((long)pair["bootstrap_room"]! % 4));

        async Task<JsonNode> PostAsync(string engine)
        {
            using var response = await client.PostAsync(
                new Uri(engine + "/generate"), new StringContent(
                    body, System.Text.Encoding.UTF8, "application/json"), LiveStage.Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            return JsonNode.Parse(await response.Content.ReadAsStringAsync(LiveStage.Token))!;
        }
    }

    [Fact]
    public async Task A_lease_holds_capacity_until_it_is_given_back_and_else_runs_out()
    {
        await using var stage = await PairStageAsync(1, 1, options => options.ControlPlane.MaxRunningPerDecodeRank = 1);
        var held = await RouteAsync(stage, """{"lease_secs":25}""");

        var (status, refused) = await TryRouteAsync(stage, """{"wait_secs":0}""");
        Assert.Equal(503, status);
        Assert.Equal((string)refused["error"]!, (string)refused["detail"]!);

        Assert.Equal(HttpStatusCode.OK, await ReleaseAsync(stage, (string)held["lease_id"]! + "?outcome=ok"));
        Assert.Equal(HttpStatusCode.NotFound, await ReleaseAsync(stage, (string)held["lease_id"]!));
        Assert.Equal(HttpStatusCode.BadRequest, await ReleaseAsync(stage, "1?outcome=maybe"));

        var short1 = await RouteAsync(stage, """{"lease_secs":1}""");
        Assert.Equal(1, (int)short1["expires_in_secs"]!);
        // Nobody gives this one back.
        var next = await RouteAsync(stage, """{"wait_secs":30}""");
        Assert.NotEqual((long)short1["bootstrap_room"]!, (long)next["bootstrap_room"]!);
        Assert.Equal(HttpStatusCode.NotFound, await ReleaseAsync(stage, (string)short1["lease_id"]!));
    }

    [Theory]
    [InlineData("[]", 400)]
    [InlineData("{", 400)]
    [InlineData("""{"batch_size":0}""", 400)]
    [InlineData("""{"lease_secs":26}""", 400)]
    [InlineData("""{"model":7}""", 400)]
    [InlineData("""{"model":"default","lora_path":["a",null]}""", 200)]
    [InlineData("""{"model":"sim:told-by-nobody","lora_path":null}""", 200)]
    [InlineData("", 200)]
    [InlineData("""{"batch_size":3,"messages":[]}""", 200)]
    public async Task What_is_asked_for_is_checked(string body, int status)
    {
        await using var stage = await PairStageAsync(1, 1);
        var (given, answer) = await TryRouteAsync(stage, body);
        Assert.True(status == given, $"{given}: {answer}");
        if (body.Contains("batch", StringComparison.Ordinal) && status == 200)
            Assert.Equal(3, answer["bootstrap_rooms"]!.AsArray().Select(r => (long)r!).Distinct().Count());
    }

    [Fact]
    public async Task Without_a_pool_it_is_503_with_words_where_AReaL_looks_for_them()
    {
        await using var stage = await Stage.StartAsync();
        stage.ControlPlane.Refuse = new Refusal(RefusalReason.NoPrefill, "No prefill worker is usable.");
        var (status, body) = await ControlCallTests.CallAsync(stage, "POST", "/route_pd", "{}");
        Assert.Equal((503, "No prefill worker is usable.", "no_prefill_workers_available"), (
            status, (string)body["detail"]!, (string)body["code"]!));
    }

    private static Task<LiveStage> PairStageAsync(int prefillDp, int decodeDp, Action<GatewayOptions>? configure = null)
    {
        var options = new GatewayOptions();
        configure?.Invoke(options);
        return LiveStage.StartAsync(
            1, 1, options, o => o with { Speed = 0, DpSize = o.Role == EngineRole.Prefill ? prefillDp : decodeDp });
    }

    private static async Task<JsonNode> RouteAsync(LiveStage stage, string body)
    {
        var (status, answer) = await TryRouteAsync(stage, body);
        Assert.True(status == 200, $"{status}: {answer}");
        return answer;
    }

    private static async Task<(int Status, JsonNode Body)> TryRouteAsync(LiveStage stage, string body)
    {
        using var response = await stage.Client.PostAsync(
            new Uri("/route_pd", UriKind.Relative), new StringContent(
                body, System.Text.Encoding.UTF8, "application/json"), LiveStage.Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(LiveStage.Token))!);
    }

    private static async Task<HttpStatusCode> ReleaseAsync(LiveStage stage, string lease)
    {
        using var response = await stage.Client.DeleteAsync(new Uri("/route_pd/" + lease, UriKind.Relative), LiveStage.Token);
        return response.StatusCode;
    }
}
