using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>
/// The sequence of calls that SGLang's serving benchmark makes of a router, and what it reads in each answer: model, tokenizer
/// and server facts, a warm-up, a flush, the load itself as streams, and the facts again.
/// </summary>
public sealed class BenchServingTests
{
    private const int Requests = 24;

    [Theory]
    [InlineData("sglang", "/generate")]
    [InlineData("sglang-oai", "/v1/completions")]
    [InlineData("sglang-oai-chat", "/v1/chat/completions")]
    public async Task The_benchmark_finds_what_it_reads(string backend, string path)
    {
        await using var stage = await Suite.StartAsync(2, 2, speed: 0);

        // Without --model it takes the first card; without --tokenizer the path in /model_info.
        var model = (string)(await GetAsync(stage, "/v1/models"))["data"]![0]!["id"]!;
        var info = await GetAsync(stage, "/model_info");
        Assert.Equal("sim/deepseek-v3", (string)info["tokenizer_path"]!);
        Assert.True((bool)info["is_generation"]!);
        var server = await GetAsync(stage, "/get_server_info");
        Assert.NotEmpty((string?)server["tokenizer_path"] ?? (string)server["prefill"]![0]!["tokenizer_path"]!);

        var warm = await SendAsync(stage, backend, path, model, 0, 1);
        Assert.Equal(1, warm.Tokens);
        using var flushed = await stage.Client.PostAsync(
            new Uri("/flush_cache?timeout=30", UriKind.Relative), null, LiveStage.Token);
        Assert.Equal(HttpStatusCode.OK, flushed.StatusCode);

        var answers = await Task.WhenAll(
            Enumerable.Range(0, Requests).Select(i => SendAsync(stage, backend, path, model, i, 4 + (i % 9))));

        Assert.All(answers.Index(), answer => Assert.Equal(4 + (answer.Index % 9), answer.Item.Tokens));
        Assert.All(answers, answer => Assert.NotEmpty(answer.Text));
        var after = await GetAsync(stage, "/server_info");
        Assert.NotNull(after["decode"]![0]!["internal_states"]![0]!["last_gen_throughput"]);
        Assert.Equal(4, after["internal_states"]!.AsArray().Count + after["prefill"]!.AsArray().Count);
        await Suite.IdleAsync(stage);
    }

    [Theory]
    [InlineData("/start_profile")]
    [InlineData("/stop_profile")]
    public async Task Profiling_can_be_switched_around_the_run(string path)
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        Assert.Equal(200, (await Suite.PostAsync(stage, path, """{"activities":[],"num_steps":1}""")).Status);
    }

    private static async Task<JsonNode> GetAsync(LiveStage stage, string path) =>
        JsonNode.Parse(await stage.Client.GetStringAsync(new Uri(path, UriKind.Relative), LiveStage.Token))!;

    /// <summary>One request as the benchmark's backend of that name sends it, and its answer as that one reads it.</summary>
    private static async Task<(
        string Text, int Tokens)> SendAsync(LiveStage stage, string backend, string path, string model, int i, int tokens)
    {
        var prompt = $"Benchmark prompt {i}";
        JsonObject body = backend switch
        {
            "sglang" => new()
            {
                ["text"] = prompt,
                ["sampling_params"] =
                    new JsonObject { ["temperature"] = 0.0, ["max_new_tokens"] = tokens, ["ignore_eos"] = true },
                ["stream"] = true,
                ["lora_path"] = null,
                ["return_logprob"] = false,
                ["return_routed_experts"] = false,
                ["logprob_start_len"] = -1,
            },
            "sglang-oai" => new()
            {
                ["model"] = model,
                ["prompt"] = prompt,
                ["temperature"] = 0.0,
                ["best_of"] = 1,
                ["max_tokens"] = tokens,
                ["stream"] = true,
                ["ignore_eos"] = true,
                ["stream_options"] = new JsonObject { ["include_usage"] = true },
            },
            _ => new()
            {
                ["model"] = model,
                ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt }),
                ["temperature"] = 0.0,
                ["max_completion_tokens"] = tokens,
                ["stream"] = true,
                ["ignore_eos"] = true,
                ["stream_options"] = new JsonObject { ["include_usage"] = true },
            },
        };
        var events = await Suite.StreamAsync(stage, path, body.ToJsonString());
        return backend switch
        {
            "sglang" => ((string)events[^1]["text"]!, (int)events[^1]["meta_info"]!["completion_tokens"]!),
            "sglang-oai" => (string.Concat(
                events.SelectMany(e => e["choices"]!.AsArray()).Select(c => (string?)c!["text"])), Usage(events)),
            _ => (string.Concat(
                events.SelectMany(e => e["choices"]!.AsArray()).Select(c => (string?)c!["delta"]!["content"])), Usage(events)),
        };
    }

    private static int Usage(List<JsonNode> events) =>
        (int)events.Last(e => e["usage"] is not null)["usage"]!["completion_tokens"]!;
}
