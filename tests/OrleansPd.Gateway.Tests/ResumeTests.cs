using System.Text.Json.Nodes;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests;

/// <summary>With <c>--resume-streams</c> a stream outlives its decode engine, and the client cannot tell.</summary>
public class ResumeTests
{
    private const string Prompt = "The capital of France is a city on a river";
    private static readonly Sampling Forty = new() { MaxNewTokens = 40, IgnoreEos = true };

    public static TheoryData<FaultKind> Deaths => new(
        FaultKind.Die, FaultKind.ResetMidStream, FaultKind.TruncateStream, FaultKind.GarbageSse, FaultKind.Stall);

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task Native_stream_goes_on_where_it_stopped(FaultKind death)
    {
        await using var stage = await StartAsync(death);

        var events = await stage.StreamAsync(
            "/generate", $$"""{"text":"{{Prompt}}","stream":true,"rid":"mine","sampling_params":{"max_new_tokens":40,"ignore_eos":true} }""");

        Assert.Equal(ReferenceModel.Complete(Prompt, 40, Forty), (string)events[^1]["text"]!);
        Assert.Equal(40, events[^1]["output_ids"]!.AsArray().Count);
        Assert.Equal(40, (int)events[^1]["meta_info"]!["completion_tokens"]!);
        Assert.Equal(40, (int)events[^1]["meta_info"]!["finish_reason"]!["length"]!);
        Assert.Single(events.Select(e => (int)e["meta_info"]!["prompt_tokens"]!).Distinct());
        Assert.All(events, e => Assert.Equal("mine", (string)e["meta_info"]!["id"]!));
        Assert.All(events, e => Assert.StartsWith((string)e["text"]!, (string)events[^1]["text"]!));
        await AssertResumedAsync(stage);
    }

    [Fact]
    public async Task Native_stream_of_token_ids_goes_on_with_token_ids()
    {
        await using var stage = await StartAsync(FaultKind.ResetMidStream);
        int[] ids = [5, 6, 7, 8, 9, 10, 11];

        var events = await stage.StreamAsync(
            "/generate", $$"""{"input_ids":[{{string.Join(',', ids)}}],"stream":true,"sampling_params":{"max_new_tokens":40,"ignore_eos":true} }""");

        Assert.Equal(ReferenceModel.CompleteIds(ids, 40, Forty), events[^1]["output_ids"]!.AsArray().Select(id => (int)id!));
        await AssertResumedAsync(stage);
    }

    [Theory]
    [InlineData(FaultKind.Die, true)]
    [InlineData(FaultKind.TruncateStream, false)]
    [InlineData(FaultKind.ResetMidStream, true)]
    public async Task Chat_stream_has_one_id_one_opening_and_the_right_usage(FaultKind death, bool usage)
    {
        const string Body =
            """{"model":"m","max_tokens":40,"ignore_eos":true,"messages":[{"role":"user","content":"Tell me of the river"}],"stream":true """;
        var wanted = usage ? Body + ""","stream_options":{"include_usage":true}}""" : Body + "}";
        await using var calm = await Stage.StartAsync();
        await using var stage = await StartAsync(death);

        var undisturbed = await calm.StreamAsync("/v1/chat/completions", wanted);
        var events = await stage.StreamAsync("/v1/chat/completions", wanted);

        Assert.Equal(TextOf(undisturbed), TextOf(events));
        Assert.Equal(undisturbed.Count, events.Count);
        Assert.Single(events.Select(e => (string)e["id"]!).Distinct());
        Assert.Single(events.Select(e => (long)e["created"]!).Distinct());
        Assert.Single(events, e =>
            e["choices"]!.AsArray().Count > 0 && (string?)e["choices"]![0]!["delta"]!["role"] == "assistant");
        Assert.All(events.Where(e => e["choices"]!.AsArray().Count > 0), e => Assert.Null(e["usage"]));
        if (usage)
        {
            Assert.Equal(undisturbed[^1]["usage"]!["completion_tokens"]!.ToJsonString(
                ), events[^1]["usage"]!["completion_tokens"]!.ToJsonString());
            Assert.Equal(undisturbed[^1]["usage"]!["prompt_tokens"]!.ToJsonString(
                ), events[^1]["usage"]!["prompt_tokens"]!.ToJsonString());
            Assert.Equal(undisturbed[^1]["usage"]!["total_tokens"]!.ToJsonString(
                ), events[^1]["usage"]!["total_tokens"]!.ToJsonString());
        }
        await AssertResumedAsync(stage);
    }

    /// <summary>An opening chunk counts the first token, of which it has no text yet.</summary>
    [Theory]
    [InlineData("/v1/chat/completions", 1)]
    [InlineData("/v1/chat/completions", 2)]
    [InlineData("/v1/completions", 1)]
    [InlineData("/v1/chat/completions", 12)]
    [InlineData("/v1/completions", 11)]
    public async Task A_stream_that_dies_after_any_event_has_all_its_tokens(string path, int events)
    {
        const string Chat =
            """{"model":"m","max_tokens":12,"ignore_eos":true,"messages":[{"role":"user","content":"x"}],"stream":true}""";
        const string Text = """{"model":"m","max_tokens":12,"ignore_eos":true,"prompt":"x","stream":true}""";
        var body = path.Contains("chat", StringComparison.Ordinal) ? Chat : Text;
        await using var calm = await Stage.StartAsync();
        await using var stage = await StartAsync(FaultKind.TruncateStream, after: events);

        var undisturbed = await calm.StreamAsync(path, body);
        var resumed = await stage.StreamAsync(path, body);

        Assert.Equal(undisturbed.Count, resumed.Count);
        Assert.Equal(Said(undisturbed), Said(resumed));

        static string Said(IEnumerable<JsonNode> events) => string.Concat(events.Select(e =>
            (string?)(e["choices"]![0]!["delta"]?["content"] ?? e["choices"]![0]!["text"])
                + (string?)e["choices"]![0]!["finish_reason"]));
    }

    [Fact]
    public async Task Completion_stream_goes_on()
    {
        await using var stage = await StartAsync(FaultKind.ResetMidStream);

        var events = await stage.StreamAsync(
            "/v1/completions", $$"""{"model":"m","prompt":"{{Prompt}}","max_tokens":40,"ignore_eos":true,"stream":true}""");

        Assert.Equal(ReferenceModel.Complete(
            Prompt, 40, Forty), string.Concat(events.Select(e => (string?)e["choices"]![0]!["text"])));
        await AssertResumedAsync(stage);
    }

    [Fact]
    public async Task A_stream_that_dies_again_and_again_ends_with_an_error_event()
    {
        // Ended, not reset: a reset can take along what was written before it, and then it was a retry.
        await using var stage = await StartAsync(FaultKind.TruncateStream, everywhere: true);

        var events = await stage.StreamAsync(
            "/generate", $$"""{"text":"{{Prompt}}","stream":true,"sampling_params":{"max_new_tokens":40,"ignore_eos":true} }""");

        Assert.NotNull(events[^1]["error"]);
        Assert.Equal(3, stage.Gateway.Dispatcher.Resumed);
        Assert.All(events[..^1], e => Assert.StartsWith((string)e["text"]!, ReferenceModel.Complete(Prompt, 40, Forty)));
    }

    [Theory]
    [InlineData("/v1/chat/completions",
        """{"model":"m","max_tokens":40,"ignore_eos":true,"messages":[{"role":"user","content":"x"}],"stream":true,"n":2}""")]
    [InlineData("/v1/chat/completions",
        """{"model":"m","max_tokens":40,"ignore_eos":true,"messages":[{"role":"user","content":"x"}],"stream":true,"logprobs":true}""")]
    [InlineData("/generate",
        """{"text":"x","stream":true,"return_logprob":true,"sampling_params":{"max_new_tokens":40,"ignore_eos":true}}""")]
    [InlineData("/generate",
        """{"text":"x","stream":true,"sampling_params":{"max_new_tokens":40,"ignore_eos":true,"regex":".*"}}""")]
    [InlineData("/generate", """{"text":["x"],"stream":true,"sampling_params":{"max_new_tokens":40,"ignore_eos":true}}""")]
    public async Task What_cannot_go_on_ends_with_an_error_event(string path, string body)
    {
        await using var stage = await StartAsync(FaultKind.ResetMidStream, everywhere: true);

        var events = await stage.StreamAsync(path, body);

        Assert.NotNull(events[^1]["error"]);
        Assert.Equal(0, stage.Gateway.Dispatcher.Resumed);
    }

    private static async Task<Stage> StartAsync(FaultKind death, bool everywhere = false, int after = 7)
    {
        // At real speed where it resets: a reset takes unread events along.
        var speed = death is FaultKind.ResetMidStream or FaultKind.Die ? 1 : 0;
        var stage = await Stage.StartAsync(
            2, 2, options: new GatewayOptions { ResumeStreams = true, StreamIdleTimeoutSecs = 1 },
            engine: o => speed == 0 ? o : o with { Speed = speed });
        // The first lease takes the second decode.
        foreach (var decode in everywhere ? stage.Decode : [stage.Decode.Last()])
            decode.Faults.Add(new Fault(death) { AfterEvents = after, AfterTokens = after });
        return stage;
    }

    private static string TextOf(IEnumerable<JsonNode> events) => string.Concat(
        events.Where(e => e["choices"]!.AsArray().Count > 0).Select(e => (string?)e["choices"]![0]!["delta"]!["content"]));

    private static async Task AssertResumedAsync(Stage stage)
    {
        // An engine that dies can take what it had written with it; then nothing had reached the client and it was a retry.
        Assert.Equal(1, stage.Gateway.Dispatcher.Resumed + stage.Gateway.Dispatcher.Retries);
        Assert.Equal(1, stage.Gateway.Metrics.Count("ok"));
        stage.Decode.Last().Faults.Clear();
        await stage.EmptyAsync();
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }
}
