using System.Net;
using System.Text.Json.Nodes;

namespace OrleansPd.Simulator.Tests;

/// <summary>Status codes, error forms and answer forms of one engine.</summary>
public sealed class ApiTests
{
    [Theory]
    [InlineData("GET", "/nothing", null, 404, """{"detail":"Not Found"}""")]
    [InlineData("GET", "/generate", null, 405, """{"detail":"Method Not Allowed"}""")]
    [InlineData("POST", "/generate", """{"sampling_params":{}}""", 400,
        """{"error":{"message":"Either text, input_ids or input_embeds should be provided."}}""")]
    [InlineData("POST", "/generate", """{"text":"a","routed_dp_rank":2}""", 400,
        """{"error":{"message":"routed_dp_rank=2 out of range [0, 1)"}}""")]
    [InlineData("POST", "/generate", """{"input_ids":[]}""", 400, """{"error":{"message":"input_ids cannot be empty."}}""")]
    [InlineData("POST", "/v1/chat/completions", """{"messages":[]}""", 400,
        """{"object":"error","message":"Messages cannot be empty.","type":"BadRequestError","param":null,"code":400}""")]
    [InlineData("POST", "/v1/completions", """{"prompt":"a","temperature":-1}""", 400,
        """{"object":"error","message":"temperature must be """
        + """non-negative, got -1.","type":"BadRequestError","param":null,"code":400}""")]
    [InlineData("GET", "/v1/models/other", null, 404,
        """{"error":{"message":"The model 'other' """
        + """does not exist","type":"invalid_request_error","param":"model","code":"model_not_found"}}""")]
    [InlineData("GET", "/health", null, 200, "")]
    [InlineData("GET", "/health_generate", null, 200, "")]
    [InlineData("GET", "/ping", null, 200, "")]
    [InlineData("GET", "/", null, 200, "\"SGLang is running\"")]
    [InlineData("POST", "/abort_request", """{"rid":"nobody"}""", 200, "")]
    [InlineData("GET", "/v1/loads?include=nonsense", null, 500, "Internal Server Error")]
    [InlineData("POST", "/continue_generation", "{}", 200, """{"message":"Generation continued successfully.","status":"ok"}""")]
    public async Task A_regular_engine_answers(string method, string path, string? body, int status, string text)
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var reply = await Pair.SendAsync(
            engine, new HttpMethod(method), path, body is null ? null : (JsonObject)JsonNode.Parse(body)!);
        Assert.Equal((status, text), ((int)reply.Status, reply.Body));
    }

    [Theory]
    [InlineData(null, null, null, 200, 200)]
    [InlineData("a", null, null, 401, 401)]
    [InlineData("a", null, "a", 200, 200)]
    [InlineData(null, "b", null, 200, 401)]
    [InlineData("a", "b", "a", 200, 401)]
    [InlineData("a", "b", "b", 401, 200)]
    public async Task Keys_open_their_level(string? api, string? admin, string? given, int normal, int control)
    {
        await using var engine = await SimulatedEngine.StartAsync(
            Pair.Fast(EngineRole.Regular) with { ApiKey = api, AdminApiKey = admin }, null, Pair.Ct);
        Assert.Equal(normal, (int)(await Pair.SendAsync(engine, HttpMethod.Get, "/v1/models", null, given)).Status);
        Assert.Equal(normal, (int)(await Pair.SendAsync(engine, HttpMethod.Get, "/ping", null, given)).Status);
        var reply = await Pair.SendAsync(engine, HttpMethod.Post, "/abort_request", new JsonObject { ["rid"] = "x" }, given);
        Assert.Equal(control, (int)reply.Status);
        Assert.Equal(200, (int)(await Pair.SendAsync(engine, HttpMethod.Get, "/health")).Status);
        Assert.Equal(200, (int)(await Pair.SendAsync(engine, HttpMethod.Get, "/sim/stats")).Status);
        if (control == 401)
            Assert.Equal("""{"error":"Unauthorized"}""", reply.Body);
    }

    [Theory]
    [InlineData("/generate", false)]
    [InlineData("/generate", true)]
    [InlineData("/v1/chat/completions", false)]
    [InlineData("/v1/chat/completions", true)]
    public async Task A_missing_room_is_told_in_four_forms(string path, bool stream)
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Decode), null, Pair.Ct);
        var body = path == "/generate" ? PairOutputTests.Generate("a", 3) : PairOutputTests.Chat([new("user", "a")], 3);
        body["rid"] = "X";
        body["stream"] = stream;
        var reply = await Pair.SendAsync(engine, path, body);
        const string Message = "Invalid request: Disaggregated request received without bootstrap room id. req.rid='X'";
        Assert.Equal(stream ? HttpStatusCode.OK : HttpStatusCode.BadRequest, reply.Status);
        switch (path, stream)
        {
            case ("/generate", false):
                Assert.Equal(Message, (string)reply.Json["error"]!["message"]!);
                break;
            case ("/generate", true):
                Assert.Equal(
                    $$"""{"type":"abort","message":"{{Message}}","status_code":400,"err_type":null}""",
                    reply.Events.Single()["meta_info"]!["finish_reason"]!.ToJsonString(
                        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
                break;
            case (_, false):
                Assert.Equal((Message, "BadRequestError"), ((string)reply.Json["message"]!, (string)reply.Json["type"]!));
                break;
            default:
                Assert.Equal((Message, "BAD_REQUEST"), (
                    (string)reply.Events.Single()["error"]!["message"]!, (string)reply.Events[0]["error"]!["type"]!));
                break;
        }
        Assert.Equal(1, engine.Stats.RouterErrorCount);
    }

    [Fact]
    public async Task Requests_that_take_an_engine_down_take_it_down()
    {
        foreach (var (role, ranks, body) in new (EngineRole, int, string)[]
        {
            (EngineRole.Prefill, 2, """{"text":"a"}"""),
            (EngineRole.Prefill, 1, """{"text":"a","bootstrap_host":"h","bootstrap_room":[1]}"""),
            (EngineRole.Decode, 1, """{"text":"a","bootstrap_room":1}"""),
            (EngineRole.Prefill, 1,
                """{"text":"a","bootstrap_host":"h","bootstrap_room":1,"return_logprob":true,"top_logprobs_num":129}"""),
        })
        {
            await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(role) with { DpSize = ranks }, null, Pair.Ct);
            await Assert.ThrowsAnyAsync<HttpRequestException>(
                () => Pair.SendAsync(engine, "/generate", (JsonObject)JsonNode.Parse(body)!));
            await engine.Exited.WaitAsync(Pair.Ct);
            Assert.False(engine.IsAlive);
        }
    }

    [Fact]
    public async Task Logprobs_of_a_pair_merge_into_those_of_one_engine()
    {
        await using var pair = await Pair.StartAsync();
        await using var regular = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var body = PairOutputTests.Generate("some words of a prompt", 6);
        body["return_logprob"] = true;
        body["logprob_start_len"] = 0;
        body["top_logprobs_num"] = 2;
        body["token_ids_logprob"] = new JsonArray(5, 6);
        var (prefill, decode) = await pair.BothAsync("/generate", body);
        var whole = (await Pair.SendAsync(regular, "/generate", body)).Json["meta_info"]!;
        var left = prefill.Json["meta_info"]!;
        var right = decode.Json["meta_info"]!;
        foreach (var name in new[] { "input_token_logprobs", "input_top_logprobs", "input_token_ids_logprobs" })
        {
            Assert.Empty(right[name]!.AsArray());
            Assert.Equal((int)whole["prompt_tokens"]!, left[name]!.AsArray().Count);
            Assert.Equal(whole[name]!.ToJsonString(), left[name]!.ToJsonString());
        }
        Assert.Null(left["input_token_logprobs"]![0]![0]);
        Assert.Equal(whole["output_token_logprobs"]!.ToJsonString(), right["output_token_logprobs"]!.ToJsonString());
        Assert.Equal(whole["output_top_logprobs"]!.ToJsonString(), right["output_top_logprobs"]!.ToJsonString());
        Assert.Equal(6, right["output_token_logprobs"]!.AsArray().Count);
        Assert.All(right["output_top_logprobs"]!.AsArray(), top => Assert.Equal(2, top!.AsArray().Count));
        Assert.Equal(5, right["output_token_ids_logprobs"]!.AsArray().Count);
    }

    [Fact]
    public async Task Chat_logprobs_have_an_entry_for_every_token()
    {
        await using var pair = await Pair.StartAsync();
        var body = PairOutputTests.Chat([new("user", "hello")], 7);
        body["logprobs"] = true;
        body["top_logprobs"] = 5;
        var choice = (await pair.BothAsync("/v1/chat/completions", body)).Decode.Json["choices"]![0]!;
        var content = choice["logprobs"]!["content"]!.AsArray();
        Assert.Equal((string)choice["message"]!["content"]!, string.Concat(content.Select(entry => (string)entry!["token"]!)));
        Assert.All(content, entry => Assert.Equal(5, entry!["top_logprobs"]!.AsArray().Count));
    }

    [Fact]
    public async Task A_forced_tool_is_called()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var body = PairOutputTests.Chat([new("user", "weather?")], 20);
        body["tools"] = JsonNode.Parse("""[{"type":"function","function":{"name":"look","parameters":{}}}]""");
        body["tool_choice"] = "required";
        var whole = (await Pair.SendAsync(engine, "/v1/chat/completions", body)).Json["choices"]![0]!;
        var arguments = (string)whole["message"]!["tool_calls"]![0]!["function"]!["arguments"]!;
        Assert.NotEmpty((string)JsonNode.Parse(arguments)!["answer"]!);
        Assert.Equal("tool_calls", (string)whole["finish_reason"]!);
        body["stream"] = true;
        var parts = (await Pair.SendAsync(engine, "/v1/chat/completions", body)).Events
            .SelectMany(chunk => chunk["choices"]!.AsArray()).Select(c => c!["delta"]!["tool_calls"])
            .Where(calls => calls is not null);
        Assert.Equal(arguments, string.Concat(parts.Select(calls => (string)calls![0]!["function"]!["arguments"]!)));
    }

    [Fact]
    public async Task Several_samples_of_a_regular_engine_differ()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var body = PairOutputTests.Chat([new("user", "hello")], 12);
        body["n"] = 3;
        var choices = (await Pair.SendAsync(engine, "/v1/chat/completions", body)).Json["choices"]!.AsArray();
        Assert.Equal([0, 1, 2], choices.Select(choice => (int)choice!["index"]!));
        Assert.Equal(3, choices.Select(choice => (string)choice!["message"]!["content"]!).Distinct().Count());
    }

    [Fact]
    public async Task Several_samples_in_one_room_never_end()
    {
        await using var pair = await Pair.StartAsync(
            p => p with { BootstrapTimeout = TimeSpan.FromMilliseconds(60) }, d =>
                d with { WaitingTimeout = TimeSpan.FromMilliseconds(60) });
        var body = PairOutputTests.Chat([new("user", "hello")], 12);
        body["n"] = 2;
        var (prefill, decode) = await pair.BothAsync("/v1/chat/completions", body);
        Assert.Equal((HttpStatusCode.InternalServerError, HttpStatusCode.InternalServerError), (prefill.Status, decode.Status));
        Assert.Equal((1, 1), (pair.Prefill.Stats.RouterErrorCount, pair.Decode.Stats.RouterErrorCount));
    }

    [Fact]
    public async Task What_only_the_scheduler_refuses_is_400_on_the_decode_alone()
    {
        await using var pair = await Pair.StartAsync();
        var body = PairOutputTests.Generate("a b c", 4);
        body["sampling_params"]!["json_schema"] = "not a schema";
        var (prefill, decode) = await pair.BothAsync("/generate", body);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest), (prefill.Status, decode.Status));
    }

    [Fact]
    public async Task Server_info_and_loads_describe_every_rank()
    {
        await using var engine = await SimulatedEngine.StartAsync(
            Pair.Fast(EngineRole.Prefill) with { DpSize = 2, ApiKey = "secret", MaxRunningRequests = 64 }, null, Pair.Ct);
        var info = (await Pair.SendAsync(engine, HttpMethod.Get, "/server_info", null, "secret")).Json;
        Assert.Equal(("prefill", "follow_bootstrap_room", 2, "secret"), (
            (string)info["disaggregation_mode"]!, (
                string)info["load_balance_method"]!, (int)info["dp_size"]!, (string)info["api_key"]!));
        Assert.Equal(engine.BootstrapPort, (int)info["disaggregation_bootstrap_port"]!);
        Assert.Equal([32, 32], info["internal_states"]!.AsArray()
            .Select(state => (int)state!["effective_max_running_requests_per_dp"]!));
        var loads = (await Pair.SendAsync(engine, HttpMethod.Get, "/v1/loads", null, "secret")).Json;
        Assert.Equal([0, 1], loads["loads"]!.AsArray().Select(load => (int)load!["dp_rank"]!));
        Assert.Empty((await Pair.SendAsync(engine, HttpMethod.Get, "/v1/loads?dp_rank=7", null, "secret")).Json["loads"]!.AsArray(
            ));
        Assert.Contains("sglang:num_running_reqs{", (await Pair.SendAsync(engine, HttpMethod.Get, "/metrics")).Body);
    }
}
