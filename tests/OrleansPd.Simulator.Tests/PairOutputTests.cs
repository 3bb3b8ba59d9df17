using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Simulator.Tests;

/// <summary>What a pair answers is what one engine answers, token for token.</summary>
public sealed class PairOutputTests
{
    private const string Question = "Tell me about the river and the sea";

    [Theory]
    [InlineData(1, 1, true, "auto")]
    [InlineData(4, 2, true, "auto")]
    [InlineData(2, 4, true, "round_robin")]
    [InlineData(3, 1, true, "total_tokens")]
    [InlineData(1, 3, false, "total_requests")]
    public async Task Pairs_of_any_ranks_answer_as_one_engine(int prefillRanks, int decodeRanks, bool attention, string method)
    {
        await using var pair = await Pair.StartAsync(
            p => p with { DpSize = prefillRanks, EnableDpAttention = attention, LoadBalanceMethod = method },
            d => d with { DpSize = decodeRanks, EnableDpAttention = attention });
        await using var regular = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var random = new Random(7);
        var runs = Enumerable.Range(0, 24).Select(async i =>
        {
            var prompt = Prompt(random.Next(), 1 + i * 17);
            var body = Generate(prompt, 1 + i * 3);
            var (prefill, decode) = await pair.BothAsync("/generate", body);
            var whole = await Pair.SendAsync(regular, "/generate", body);
            Assert.Equal(HttpStatusCode.OK, prefill.Status);
            Assert.Equal(ReferenceModel.Complete(prompt, 1 + i * 3), decode.Text);
            Assert.Equal(whole.Json["output_ids"]!.ToJsonString(), decode.Json["output_ids"]!.ToJsonString());
            Assert.Equal(whole.FinishType, decode.FinishType);
        });
        await Task.WhenAll(runs);
        Assert.Empty(pair.Prefill.Stats.RouterErrors);
        Assert.Empty(pair.Decode.Stats.RouterErrors);
        await Until.TrueAsync(() => pair.Decode.Stats is { Occupied: 0, LiveKvTokens: 0, LiveRequests: 0 }, "an empty decode");
        await Until.TrueAsync(() => pair.Prefill.Stats is { LiveKvTokens: 0, LiveRequests: 0 }, "an empty prefill");
    }

    [Fact]
    public async Task Router_chosen_ranks_are_obeyed_on_both_sides()
    {
        await using var pair = await Pair.StartAsync(p => p with { DpSize = 4 }, d => d with { DpSize = 3 });
        foreach (var (p, d) in new[] { (0, 2), (3, 0), (2, 1) })
        {
            var body = pair.Join(Generate(Question, 20), 4_000_000 + p);
            body["disagg_prefill_dp_rank"] = p;
            var left = (JsonObject)body.DeepClone();
            left["routed_dp_rank"] = p;
            body["routed_dp_rank"] = d;
            var (prefill, decode) = await pair.BothAsync("/generate", left, body);
            Assert.Equal(p, (int)prefill.Json["meta_info"]!["dp_rank"]!);
            Assert.Equal(d, (int)decode.Json["meta_info"]!["dp_rank"]!);
            Assert.Equal(ReferenceModel.Complete(Question, 20), decode.Text);
        }
    }

    [Fact]
    public async Task Generate_Stream_IsCumulativeAndEndsOnce()
    {
        await using var pair = await Pair.StartAsync();
        var body = Generate(Question, 30);
        body["stream"] = true;
        body["rid"] = "mine";
        var (_, decode) = await pair.BothAsync("/generate", body);
        var events = decode.Events;
        var text = "";
        foreach (var frame in events)
        {
            Assert.StartsWith(text, (string)frame["text"]!);
            text = (string)frame["text"]!;
            Assert.Equal("mine", (string)frame["meta_info"]!["id"]!);
        }
        Assert.Equal(ReferenceModel.Complete(Question, 30), text);
        Assert.Equal([events.Count - 1], Enumerable.Range(0, events.Count)
            .Where(i => events[i]["meta_info"]!["finish_reason"] is not null));
    }

    [Fact]
    public async Task Generate_IncrementalStream_HoldsOnlyWhatIsNew()
    {
        await using var pair = await Pair.StartAsync(decode: d => d with { IncrementalStreamingOutput = true });
        var body = Generate(Question, 30);
        body["stream"] = true;
        var (_, decode) = await pair.BothAsync("/generate", body);
        Assert.Equal(ReferenceModel.Complete(Question, 30), string.Concat(decode.Events.Select(frame => (string)frame["text"]!)));
        Assert.All(decode.Events, frame => Assert.Single(frame["output_ids"]!.AsArray()));
    }

    [Fact]
    public async Task Chat_StreamAndWhole_EqualReference()
    {
        await using var pair = await Pair.StartAsync();
        ChatTurn[] turns = [new("system", "Be brief."), new("user", "Where does the river end?")];
        var body = Chat(turns, 50);
        var expected = ReferenceModel.CompleteChat(turns, 50);
        var (_, whole) = await pair.BothAsync("/v1/chat/completions", body);
        Assert.Equal(expected, (string)whole.Json["choices"]![0]!["message"]!["content"]!);
        Assert.Equal("chat.completion", (string)whole.Json["object"]!);

        body["stream"] = true;
        body["stream_options"] = new JsonObject { ["include_usage"] = true };
        var (prefill, decode) = await pair.BothAsync("/v1/chat/completions", body);
        Assert.Equal(expected, string.Concat(decode.Events.SelectMany(chunk => chunk["choices"]!.AsArray())
            .Select(choice => (string?)choice!["delta"]!["content"] ?? "")));
        Assert.Equal("assistant", (string)decode.Events[0]["choices"]![0]!["delta"]!["role"]!);
        Assert.Empty(decode.Events[^1]["choices"]!.AsArray());
        Assert.Equal((int)whole.Json["usage"]!["completion_tokens"]!, (int)decode.Events[^1]["usage"]!["completion_tokens"]!);
        Assert.Equal("length", (string)prefill.Events[^2]["choices"]![0]!["finish_reason"]!);
    }

    [Fact]
    public async Task Completions_Batch_AnswersEachPromptInOrder()
    {
        await using var pair = await Pair.StartAsync(p => p with { DpSize = 2 });
        string[] prompts = ["one fine day", "two small birds sat", "three more"];
        var body = new JsonObject
        {
            ["model"] = "sim",
            ["prompt"] = new JsonArray([.. prompts.Select(prompt => (JsonNode)prompt)]),
            ["max_tokens"] = 25,
        };
        var joined = pair.Join(body);
        joined["bootstrap_room"] = new JsonArray(900, 901, 902);
        joined["bootstrap_host"] = new JsonArray("127.0.0.1", "127.0.0.1", "127.0.0.1");
        joined["bootstrap_port"] = new JsonArray(
            pair.Prefill.BootstrapPort, pair.Prefill.BootstrapPort, pair.Prefill.BootstrapPort);
        var (_, decode) = await pair.BothAsync("/v1/completions", joined, joined);
        Assert.Equal(
            prompts.Select(prompt => ReferenceModel.Complete(prompt, 25)),
            decode.Json["choices"]!.AsArray().Select(choice => (string)choice!["text"]!));
    }

    [Fact]
    public async Task Generate_Batch_ScalarRoomCountsUp()
    {
        await using var pair = await Pair.StartAsync();
        var body = Generate("", 12);
        body["text"] = new JsonArray("first one", "second one", "third one");
        var (_, decode) = await pair.BothAsync("/generate", body, 5_000);
        Assert.Equal(
            new[] { "first one", "second one", "third one" }.Select(text => ReferenceModel.Complete(text, 12)),
            decode.Json.AsArray().Select(item => (string)item!["text"]!));
    }

    [Fact]
    public async Task A_resumed_answer_goes_on_as_the_undisturbed_one()
    {
        await using var pair = await Pair.StartAsync();
        ChatTurn[] turns = [new("user", "Go on.")];
        var whole = ReferenceModel.CompleteChat(turns, 60, new Sampling { IgnoreEos = true });
        var half = ReferenceModel.CompleteChat(turns, 25, new Sampling { IgnoreEos = true });
        var body = Chat([.. turns, new ChatTurn("assistant", half)], 35);
        body["continue_final_message"] = true;
        body["ignore_eos"] = true;
        var (_, decode) = await pair.BothAsync("/v1/chat/completions", body);
        Assert.Equal(whole, half + (string)decode.Json["choices"]![0]!["message"]!["content"]!);
    }

    [Fact]
    public async Task Stops_end_the_answer_where_the_reference_ends()
    {
        await using var pair = await Pair.StartAsync();
        var whole = ReferenceModel.Complete(Question, 60, new Sampling { IgnoreEos = true });
        var stop = whole.Split(' ')[12][..2];
        var body = Generate(Question, 60);
        body["sampling_params"]!["ignore_eos"] = true;
        body["sampling_params"]!["stop"] = new JsonArray(stop);
        var (_, decode) = await pair.BothAsync("/generate", body);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], decode.Text);
        Assert.Equal("stop", decode.FinishType);
        Assert.Equal(stop, (string)decode.Json["meta_info"]!["finish_reason"]!["matched"]!);
    }

    [Fact]
    public async Task Cached_tokens_are_those_the_rank_really_has()
    {
        await using var pair = await Pair.StartAsync();
        var prompt = Prompt(3, 300);
        var tokens = ReferenceModel.Tokenize(prompt).Length;
        Assert.Equal([0, (tokens - 1) / 64 * 64], new[] { await CachedAsync(), await CachedAsync() });
        Assert.Equal((tokens - 1) / 64 * 64, pair.Prefill.Stats.CacheHitTokens);

        async Task<int> CachedAsync() =>
            (int)(await pair.BothAsync("/generate", Generate(prompt, 2))).Decode.Json["meta_info"]!["cached_tokens"]!;
    }

    internal static JsonObject Generate(string text, int tokens) => new()
    {
        ["text"] = text,
        ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens },
    };

    internal static JsonObject Chat(IEnumerable<ChatTurn> turns, int tokens) => new()
    {
        ["model"] = "sim",
        ["messages"] = new JsonArray(
            [.. turns.Select(turn => new JsonObject { ["role"] = turn.Role, ["content"] = turn.Content })]),
        ["max_tokens"] = tokens,
    };

    internal static string Prompt(int seed, int words)
    {
        var random = new Random(seed);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => $"w{random.Next(100_000)}"));
    }
}
