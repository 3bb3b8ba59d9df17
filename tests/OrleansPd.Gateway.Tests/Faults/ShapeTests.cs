using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// Row F45 of the fault matrix: whatever is asked, a pair behind the gateway answers with the shape, the texts and the counts of
/// one regular engine that is asked directly.
/// </summary>
public sealed class ShapeTests
{
    /// <summary>What differs from answer to answer and says nothing of the shape.</summary>
    private static readonly string[] OfTheMoment =
        ["id", "created", "e2e_latency", "response_sent_to_client_ts", "dp_rank", "cached_tokens", "prompt_tokens_details"];

    public static TheoryData<string, string> Requests => new()
    {
        { "/generate", """{"text":"one two three","sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"text":"one two three","return_logprob":true,"logprob_start_len":0,"sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"text":"one two three","return_logprob":true,"top_logprobs_num":2,"sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"text":["one two three"],"sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"text":["one two three","four","five six"],"return_logprob":true,"logprob_start_len":0,"sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"input_ids":[[5,6,7],[8,9]],"sampling_params":{"max_new_tokens":6,"ignore_eos":true} """ },
        { "/generate", """{"text":"one two three","sampling_params":{"max_new_tokens":6,"ignore_eos":true,"sampling_seed":7,"n":3} """ },
        { "/v1/completions", """{"model":"sim","prompt":"one two three","max_tokens":6,"ignore_eos":true""" },
        { "/v1/completions",
            """{"model":"sim","prompt":["one two three","four"],"max_tokens":6,"ignore_eos":true,"seed":7,"n":2""" },
        { "/v1/completions", """{"model":"sim","prompt":"one two three","max_tokens":6,"ignore_eos":true,"logprobs":2""" },
        { "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"one two three"}],"max_tokens":6,"ignore_eos":true""" },
        { "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"one"}],"max_tokens":6,"ignore_eos":true,"logprobs":true,"top_logprobs":2""" },
        { "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"one"}],"max_tokens":6,"ignore_eos":true,"seed":7,"n":3""" },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task F45_a_pair_answers_in_the_shape_of_one_regular_engine(string path, string body)
    {
        await using var stage = await Stage.StartAsync();
        await using var regular = await Stage.StartAsync(prefill: 0, decode: 0, regular: 1);
        using var direct = new HttpClient { BaseAddress = regular.Engines.Single().Url };
        body = Balanced(body);

        var (theirStatus, theirText) = await AskAsync(direct, path, body + "}");
        var (ourStatus, ourText) = await AskAsync(stage.Client, path, body + "}");
        Assert.Equal(theirStatus, ourStatus);
        Assert.Equal(Shape(JsonNode.Parse(theirText)), Shape(JsonNode.Parse(ourText)));

        (_, theirText) = await AskAsync(direct, path, body + ""","stream":true}""");
        (_, ourText) = await AskAsync(stage.Client, path, body + ""","stream":true}""");
        Assert.Equal(Streams(theirText), Streams(ourText));

        await stage.EmptyAsync();
        var rooms = stage.ControlPlane.Leases.SelectMany(lease => lease.Rooms.ToArray()).ToArray();
        Assert.Equal(rooms.Length, rooms.Distinct().Count());
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Theory]
    [InlineData("/generate", "application/json; charset=utf-8")]
    [InlineData("/generate", "text/plain")]
    [InlineData("/generate", "application/x-www-form-urlencoded")]
    [InlineData("/v1/completions", "application/json;charset=UTF-8")]
    [InlineData("/v1/completions", "text/plain")]
    [InlineData("/v1/completions", "application/problem+json")]
    public async Task F45_odd_content_types_are_taken_or_refused_as_by_one_regular_engine(string path, string type)
    {
        await using var stage = await Stage.StartAsync();
        await using var regular = await Stage.StartAsync(prefill: 0, decode: 0, regular: 1);
        using var direct = new HttpClient { BaseAddress = regular.Engines.Single().Url };
        const string Body = """{"model":"sim","text":"one","prompt":"one"}""";
        var (theirs, _) = await AskAsync(direct, path, Body, type);
        var (ours, text) = await AskAsync(stage.Client, path, Body, type);
        Assert.True(theirs == ours, $"an engine says {theirs}, we {ours}: {text}");
    }

    private static string Balanced(string body)
    {
        var depth = body.Count(c => c == '{') - body.Count(c => c == '}');
        return body.TrimEnd() + new string('}', depth - 1);
    }

    private static async Task<(HttpStatusCode Status, string Text)> AskAsync(
        HttpClient client, string path, string body, string type = "application/json")
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var response = await client.PostAsync(path, content, Stage.Token);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stage.Token));
    }

    /// <summary>The events of each part, in order: parts of a joint stream may come in any order among each other.</summary>
    private static string Streams(string text)
    {
        var events = Stage.Events(text);
        return string.Join("\n\n", events.GroupBy(Part).OrderBy(g => g.Key)
            .Select(g => $"{g.Key}: {string.Join('\n', g.Select(Shape))}"));
    }

    private static int Part(JsonNode e) =>
        (int?)e["index"] ?? (int?)(e["choices"] as JsonArray)?.FirstOrDefault()?["index"] ?? -1;

    /// <summary>Members in order of name, values where they are the model's, types else.</summary>
    private static string Shape(JsonNode? node) => node switch
    {
        JsonObject o => "{" + string.Join(',', o.OrderBy(m => m.Key, StringComparer.Ordinal)
            .Select(m => m.Key + ":" + (OfTheMoment.Contains(m.Key) ? "~" : Shape(m.Value)))) + "}",
        JsonArray a => "[" + string.Join(',', a.Select(Shape)) + "]",
        null => "null",
        JsonValue v when v.GetValueKind() == JsonValueKind.Number && v.ToJsonString().Contains('.', StringComparison.Ordinal) =>
            "0.0",
        _ => node.ToJsonString(),
    };
}
