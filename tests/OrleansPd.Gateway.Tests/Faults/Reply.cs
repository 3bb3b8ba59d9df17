using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>What a client was answered.</summary>
internal sealed record Reply(string Id, int Status, string? ContentType, string? Code, string Text)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    /// <summary>The events of a whole, well-formed stream without its <c>[DONE]</c>.</summary>
    public IReadOnlyList<JsonNode> Events => Stage.Events(Text);

    /// <summary>Asserts an answer that is an error in the OpenAI shape and returns the error.</summary>
    public JsonNode Refused(int status)
    {
        Assert.True(Status == status, $"{Status}: {Text}");
        Assert.Equal("application/json", ContentType);
        return ErrorOf(Json);
    }

    /// <summary>Asserts a stream that ends with an error event and <c>[DONE]</c>, and returns the error.</summary>
    public JsonNode Broken()
    {
        Assert.Equal((200, "text/event-stream"), (Status, ContentType));
        var events = Events;
        Assert.All(events.SkipLast(1), e => Assert.Null(e["error"]));
        return ErrorOf(events[^1]);
    }

    /// <summary>The text of a good answer, plain or streamed (cumulative).</summary>
    public string GoodText()
    {
        Assert.True(Status == 200, $"{Status}: {Text}");
        return (string)(ContentType == "text/event-stream" ? Events[^1] : Json)["text"]!;
    }

    /// <summary>An engine's own plain error has no more than a message; ours and OpenAI's have all four members.</summary>
    private static JsonNode ErrorOf(JsonNode body)
    {
        var error = body["error"] ?? body;
        Assert.False(string.IsNullOrEmpty((string?)error["message"]), body.ToJsonString());
        return error;
    }
}

/// <summary>One call of a request as <c>/debug/requests</c> tells it.</summary>
internal sealed record Told(JsonNode Call)
{
    public string Reason => (string)Call["reason"]!;

    public IReadOnlyList<JsonNode> Attempts => [.. Call["attempts"]!.AsArray().Select(a => a!)];

    public string? Blame(int attempt = 0) => (string?)Attempts[attempt]["blame"];

    /// <summary>Asserts a second attempt with rooms and ids that the first did not have.</summary>
    public void WasRetriedAfresh()
    {
        Assert.Equal(2, Attempts.Count);
        foreach (var member in new[] { "rooms", "rids" })
            Assert.Empty(All(0, member).Intersect(All(1, member)));

        IEnumerable<string> All(int attempt, string member) => Attempts[attempt][member]!.AsArray().Select(v => (string)v!);
    }
}
