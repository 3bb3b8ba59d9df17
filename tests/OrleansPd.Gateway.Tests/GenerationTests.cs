using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests;

/// <summary>Good requests through a real gateway to real (simulated) pairs: the split answer is the unsplit one.</summary>
public class GenerationTests
{
    private const string Prompt = "The capital of France is a city on a river";

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 2)]
    [InlineData(2, 4)]
    public async Task Generate_equals_the_unsplit_answer(int prefillDp, int decodeDp)
    {
        await using var stage = await Stage.StartAsync(prefillDp: prefillDp, decodeDp: decodeDp);
        for (var i = 0; i < 8; i++)
        {
            var answer = await stage.AskAsync(
                "/generate", $$"""{"text":"{{Prompt}} {{i}}","sampling_params":{"max_new_tokens":24} }""");
            Assert.Equal(ReferenceModel.Complete($"{Prompt} {i}", 24), (string)answer["text"]!);
        }
        await stage.EmptyAsync();
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Fact]
    public async Task Generate_stream_is_cumulative_and_ends_once()
    {
        await using var stage = await Stage.StartAsync();

        var events = await stage.StreamAsync(
            "/generate", $$"""{"text":"{{Prompt}}","stream":true,"rid":"mine","sampling_params":{"max_new_tokens":12} }""");

        Assert.Equal(ReferenceModel.Complete(Prompt, 12), (string)events[^1]["text"]!);
        Assert.All(events, e => Assert.StartsWith((string)e["text"]!, (string)events[^1]["text"]!));
        Assert.All(events, e => Assert.Equal("mine", (string)e["meta_info"]!["id"]!));
        Assert.Single(events, e => e["meta_info"]!["finish_reason"] is not null);
        Assert.NotNull(events[0]["meta_info"]!["prompt_tokens"]);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Chat_and_completions_answer_whole_and_streamed_alike()
    {
        await using var stage = await Stage.StartAsync();
        const string Chat =
            """{"model":"default","max_tokens":10,"messages":[{"role":"user","content":"Tell me of the river"}]""";
        const string Text = """{"model":"default","max_tokens":10,"prompt":"Once upon a time" """;

        var chat = await stage.AskAsync("/v1/chat/completions", Chat + "}");
        var chatEvents = await stage.StreamAsync(
            "/v1/chat/completions", Chat + ""","stream":true,"stream_options":{"include_usage":true}}""");
        var text = await stage.AskAsync("/v1/completions", Text + "}");
        var textEvents = await stage.StreamAsync("/v1/completions", Text + ""","stream":true}""");

        var whole = (string)chat["choices"]![0]!["message"]!["content"]!;
        Assert.NotEmpty(whole);
        Assert.Equal(whole, string.Concat(chatEvents.Where(e => e["choices"]!.AsArray().Count > 0)
            .Select(e => (string?)e["choices"]![0]!["delta"]!["content"])));
        Assert.Equal((int)chat["usage"]!["completion_tokens"]!, (int)chatEvents[^1]["usage"]!["completion_tokens"]!);
        Assert.Equal(ReferenceModel.Complete("Once upon a time", 10), (string)text["choices"]![0]!["text"]!);
        Assert.Equal((string)text["choices"]![0]!["text"]!, string.Concat(
            textEvents.Select(e => (string?)e["choices"]![0]!["text"])));
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Batch_is_one_request_with_a_room_for_each_prompt()
    {
        await using var stage = await Stage.StartAsync(prefillDp: 2);
        var prompts = Enumerable.Range(0, 17).Select(i => $"{Prompt} number {i}").ToArray();
        var list = new JsonArray([.. prompts.Select(p => JsonValue.Create(p))]).ToJsonString();

        var answer = (await stage.AskAsync("/generate", $$"""{"text":{{list}},"sampling_params":{"max_new_tokens":8} }"""))
            .AsArray();
        var choices = (await stage.AskAsync(
            "/v1/completions", $$"""{"model":"m","max_tokens":8,"prompt":{{list}}}"""))["choices"]!.AsArray();

        Assert.Equal(prompts.Select(p => ReferenceModel.Complete(p, 8)), answer.Select(a => (string)a!["text"]!));
        Assert.Equal(prompts.Select(p => ReferenceModel.Complete(p, 8)), choices.Select(c => (string)c!["text"]!));
        Assert.Equal(2, stage.ControlPlane.Leases.Count);
        Assert.Equal(34, stage.ControlPlane.Leases.SelectMany(l => l.Rooms.ToArray()).Distinct().Count());
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Batch_stream_carries_the_index_of_each_prompt()
    {
        await using var stage = await Stage.StartAsync();

        var events = await stage.StreamAsync(
            "/generate", """{"text":["one two","three four"],"stream":true,"sampling_params":{"max_new_tokens":6} }""");

        foreach (var (index, prompt) in new[] { (0, "one two"), (1, "three four") })
            Assert.Equal(ReferenceModel.Complete(prompt, 6), (string)events.Last(e => (int)e["index"]! == index)["text"]!);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Samples_are_fanned_out_and_joined_in_order()
    {
        await using var stage = await Stage.StartAsync();

        var answer = (await stage.AskAsync(
            "/generate", $$"""{"text":"{{Prompt}}","sampling_params":{"n":3,"max_new_tokens":8} }""")).AsArray();
        var chat = await stage.AskAsync(
            "/v1/chat/completions",
            """{"model":"m","n":3,"max_tokens":6,"messages":[{"role":"user","content":"hello there"}]}""");
        var two = (await stage.AskAsync(
            "/v1/completions", """{"model":"m","n":2,"max_tokens":6,"prompt":["one two","three four"]}"""))["choices"]!.AsArray();

        Assert.Equal(3, answer.Count);
        Assert.All(answer, a => Assert.Equal(ReferenceModel.Complete(Prompt, 8), (string)a!["text"]!));
        Assert.Equal([0, 1, 2], chat["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        Assert.Equal(18, (int)chat["usage"]!["completion_tokens"]!);
        Assert.Equal([0, 1, 2, 3], two.Select(c => (int)c!["index"]!));
        Assert.Equal(ReferenceModel.Complete("three four", 6), (string)two[2]!["text"]!);
        Assert.All(stage.ControlPlane.Leases, lease => Assert.Equal(1, lease.Rooms.Length));
        Assert.Equal(10, stage.ControlPlane.Leases.Count);
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Samples_of_a_stream_share_one_id_one_usage_and_one_end()
    {
        await using var stage = await Stage.StartAsync();

        var events = await stage.StreamAsync(
            "/v1/chat/completions",
            """{"model":"m","n":3,"stream":true,"stream_options":{"include_usage":true},"max_tokens":6,"messages":[{"role":"user","content":"hello there"}]}""");

        Assert.Single(events.Select(e => (string)e["id"]!).Distinct());
        var usage = Assert.Single(events, e => e["choices"]!.AsArray().Count == 0);
        Assert.Same(usage, events[^1]);
        Assert.Equal(18, (int)usage["usage"]!["completion_tokens"]!);
        var texts = Enumerable.Range(0, 3).Select(i => string.Concat(
            events.Where(e => e["choices"]!.AsArray().Any(c => (int)c!["index"]! == i))
                .Select(e => (string?)e["choices"]![0]!["delta"]!["content"])));
        Assert.All(texts, Assert.NotEmpty);
        await stage.EmptyAsync();
    }

    [Theory]
    [InlineData("\"text\":\"The capital of France\"", false)]
    [InlineData("\"text\":[\"The capital of France\",\"is a city\"]", false)]
    [InlineData("\"text\":\"The capital of France\"", true)]
    [InlineData("\"text\":[\"The capital of France\",\"is a city\"]", true)]
    public async Task Input_log_probabilities_are_those_of_a_regular_engine(string prompt, bool stream)
    {
        await using var pair = await Stage.StartAsync();
        await using var regular = await Stage.StartAsync(0, 0, regular: 1);
        var body = $$"""
            {{{prompt}},"return_logprob":true,"logprob_start_len":0,"top_logprobs_num":2,"stream":{{(stream ? "true" : "false")}},"sampling_params":{"max_new_tokens":5} }
            """;

        var split = await LastOfEachAsync(pair, body, stream);
        var unsplit = await LastOfEachAsync(regular, body, stream);

        Assert.Equal(unsplit.Count, split.Count);
        foreach (var (one, other) in split.Zip(unsplit))
        {
            foreach (var name in (
                string[])["input_token_logprobs", "output_token_logprobs", "input_top_logprobs", "output_top_logprobs"])
            {
                Assert.Equal(other["meta_info"]![name]!.ToJsonString(), one["meta_info"]![name]!.ToJsonString());
            }
            Assert.NotEmpty(one["meta_info"]!["input_token_logprobs"]!.AsArray());
        }
        await pair.EmptyAsync();
    }

    [Fact]
    public async Task A_regular_worker_is_sent_no_bootstrap_members()
    {
        await using var stage = await Stage.StartAsync(0, 0, regular: 1);

        var answer = await stage.AskAsync("/generate", $$"""{"text":"{{Prompt}}","sampling_params":{"max_new_tokens":8} }""");

        Assert.Equal(ReferenceModel.Complete(Prompt, 8), (string)answer["text"]!);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Many_at_once_all_come_out_right()
    {
        await using var stage = await Stage.StartAsync(2, 2, 4, 2);

        await Parallel.ForAsync(
            0, 300, new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = Stage.Token }, async (i, _) =>
        {
            var prompt = $"{Prompt} with {i} and {i % 7}";
            var answer = await stage.AskAsync(
                "/generate", $$"""{"text":"{{prompt}}","sampling_params":{"max_new_tokens":{{(i % 16) + 1}} } }""");
            Assert.Equal(ReferenceModel.Complete(prompt, (i % 16) + 1), (string)answer["text"]!);
        });

        await stage.EmptyAsync();
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    private static async Task<List<JsonNode>> LastOfEachAsync(Stage stage, string body, bool stream)
    {
        if (!stream)
        {
            var answer = await stage.AskAsync("/generate", body);
            return answer is JsonArray list ? [.. list.Select(a => a!)] : [answer];
        }
        var events = await stage.StreamAsync("/generate", body);
        return [.. events.GroupBy(e => (int?)e["index"] ?? 0).OrderBy(g => g.Key).Select(g => g.Last())];
    }
}
