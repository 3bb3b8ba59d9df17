using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

/// <summary>What is wrong with a request is said in one JSON error, and reaches no engine.</summary>
public class BadInputTests
{
    public static TheoryData<string, string, string?> Bodies => new()
    {
        { "/generate", "", null },
        { "/generate", "[1]", null },
        { "/generate", "\"text\"", null },
        { "/generate", """{"text":"x" """, null },
        { "/generate", """{"text":"x"} trailing""", null },
        { "/generate", """{"text":"x","a":NaN}""", null },
        { "/generate", """{"text":"x","a":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}""", null },
        { "/generate", "{}", "text" },
        { "/generate", """{"text":[]}""", "text" },
        { "/generate", """{"input_ids":[]}""", "input_ids" },
        { "/generate", """{"text":7}""", "text" },
        { "/generate", """{"text":"x","stream":"yes"}""", "stream" },
        { "/generate", """{"text":"x","rid":""}""", "rid" },
        { "/generate", """{"text":"x","rid":"HEALTH_CHECK_1"}""", "rid" },
        { "/generate", """{"text":["a","b"],"rid":["same","same"]}""", "rid" },
        { "/generate", """{"text":"x","sampling_params":{"n":0}}""", "sampling_params" },
        { "/generate", """{"text":"x","sampling_params":{"n":1000}}""", "sampling_params" },
        { "/generate", """{"text":"x","return_logprob":true,"top_logprobs_num":129}""", "top_logprobs_num" },
        { "/v1/completions", """{"model":"m"}""", "prompt" },
        { "/v1/completions", """{"model":"m","prompt":"x","n":"2"}""", "n" },
        { "/v1/completions", """{"model":"m","prompt":"x","logprobs":129}""", "logprobs" },
        { "/v1/chat/completions", """{"model":"m","messages":"hello"}""", "messages" },
        { "/v1/chat/completions",
            """{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":200}""", "top_logprobs" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Bad_bodies_get_one_json_400_and_reach_no_engine(string path, string body, string? param)
    {
        await using var stage = await Stage.StartAsync();

        using var response = await stage.PostAsync(path, body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!["error"]!;
        Assert.NotEmpty((string)error["message"]!);
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.Equal(param, (string?)error["param"]);
        Assert.Empty(stage.ControlPlane.Requests);
        Assert.All(stage.Engines, engine => Assert.Equal(0, engine.Stats.RequestsTotal));
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_are_refused()
    {
        await using var stage = await Stage.StartAsync();
        using var content = new ByteArrayContent([.. "{\"text\":\""u8, 0xff, 0xfe, .. "\"}"u8]);
        content.Headers.ContentType = new("application/json");

        using var response = await stage.Client.PostAsync("/generate", content, Stage.Token);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_413_with_and_without_a_length()
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { MaxPayloadSize = 2048 });
        var large = $$"""{"text":"{{new string('x', 4096)}}"}""";

        using var known = await stage.PostAsync("/generate", large);
        using var chunked = new HttpRequestMessage(
            HttpMethod.Post, "/generate")
        { Content = new StringContent(large, Encoding.UTF8, "application/json") };
        chunked.Headers.TransferEncodingChunked = true;
        using var unknown = await stage.Client.SendAsync(chunked, Stage.Token);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, known.StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, unknown.StatusCode);
        Assert.Empty(stage.ControlPlane.Requests);
    }

    [Theory]
    [InlineData("/generate", "text/plain", 400)]
    [InlineData("/v1/completions", "text/plain", 400)]
    [InlineData("/v1/completions", null, 400)]
    [InlineData("/generate", null, 200)]
    [InlineData("/v1/completions", "application/json; charset=utf-8", 200)]
    public async Task Media_types_are_those_that_engines_take(string path, string? type, int status)
    {
        await using var stage = await Stage.StartAsync();
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(
            """{"model":"m","text":"x","prompt":"x","max_tokens":2,"sampling_params":{"max_new_tokens":2}}"""));
        if (type is not null)
            content.Headers.TryAddWithoutValidation("Content-Type", type);

        using var response = await stage.Client.PostAsync(path, content, Stage.Token);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_live_rid_is_refused_and_free_again_afterwards()
    {
        await using var stage = await Stage.StartAsync();
        const string Body = """{"text":"x","rid":"mine","sampling_params":{"max_new_tokens":2}}""";
        Assert.Null(stage.Gateway.Dispatcher.LiveRids.TryAdd(["mine"]));

        using var refused = await stage.PostAsync("/generate", Body);
        stage.Gateway.Dispatcher.LiveRids.Remove(["mine"]);
        using var taken = await stage.PostAsync("/generate", Body);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("Duplicate request ID detected: mine", await refused.Content.ReadAsStringAsync(Stage.Token));
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
        // The answer may be here a moment before the request is over.
        await LiveStage.UntilAsync(() => stage.Gateway.Dispatcher.LiveRids.Count == 0, TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData(false, "nobody", 200)]
    [InlineData(true, "nobody", 404)]
    [InlineData(true, "sim", 200)]
    [InlineData(true, "sim:adapter", 200)]
    public async Task With_one_model_any_name_passes_unless_the_operator_is_strict(bool strict, string model, int status)
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { StrictModel = strict });
        using var loaded = await stage.PostAsync("/load_lora_adapter", """{"lora_name":"adapter","lora_path":"/adapter"}""");

        using var response = await stage.PostAsync("/v1/completions", $$"""{"model":"{{model}}","prompt":"x","max_tokens":2}""");

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task With_several_models_an_unknown_name_is_404()
    {
        await using var stage = await Stage.StartAsync();
        var fleet = stage.ControlPlane.Fleet;
        stage.ControlPlane.Fleet = new(2, [.. fleet.Workers, fleet.Workers[0] with { Model = "other", Slot = 9 }]);

        using var response = await stage.PostAsync("/v1/completions", """{"model":"nobody","prompt":"x","max_tokens":2}""");

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Equal("model_not_found", (
            string)JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!["error"]!["code"]!);
    }

    [Theory]
    [InlineData(RefusalReason.NoPrefill, 503, "no_prefill_workers_available")]
    [InlineData(RefusalReason.NoWorkers, 503, "no_healthy_workers")]
    [InlineData(RefusalReason.QueueFull, 503, "queue_full")]
    [InlineData(RefusalReason.RateLimited, 429, "rate_limit_exceeded")]
    public async Task A_refusal_has_its_status_its_word_and_the_time_to_come_again(RefusalReason reason, int status, string code)
    {
        await using var stage = await Stage.StartAsync();
        stage.ControlPlane.Refuse = new Refusal(reason, "not now", TimeSpan.FromSeconds(2.5));

        using var response = await stage.PostAsync("/v1/completions", """{"model":"m","prompt":"x"}""");

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(code, response.Headers.GetValues("x-router-error-code").Single());
        Assert.Equal(code, (string)JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!["error"]!["code"]!);
        Assert.Equal("3", response.Headers.GetValues("Retry-After").Single());
    }

    [Theory]
    [InlineData("POST", "/v1/responses", 501, "/v1/chat/completions")]
    [InlineData("POST", "/v1/messages", 501, "/v1/chat/completions")]
    [InlineData("POST", "/v1/embeddings", 400, "needs a regular worker")]
    [InlineData("POST", "/v1/rerank", 400, "needs a regular worker")]
    [InlineData("POST", "/v1/score", 400, "needs a regular worker")]
    [InlineData("POST", "/v1/classify", 400, "needs a regular worker")]
    [InlineData("POST", "/vertex_generate", 501, "/generate")]
    [InlineData("POST", "/nowhere", 404, "POST /nowhere")]
    [InlineData("GET", "/generate", 404, "GET /generate")]
    public async Task Routes_that_engines_have_and_we_do_not_never_reach_one(string method, string path, int status, string words)
    {
        await using var stage = await Stage.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path)
        {
            Content = new StringContent("""{"model":"m","input":"x","text":"x"}""", Encoding.UTF8, "application/json"),
        };

        using var response = await stage.Client.SendAsync(request, Stage.Token);

        Assert.Equal(status, (int)response.StatusCode);
        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!["error"]!;
        Assert.Contains(words, (string)error["message"]!);
        Assert.All(stage.Engines, engine => Assert.Equal(0, engine.Stats.RequestsTotal));
    }
}
