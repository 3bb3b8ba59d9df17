using System.Text;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Answers;

public sealed class EventClassifierTests
{
    [Theory]
    [InlineData("[DONE]", EventKind.Done)]
    [InlineData("", EventKind.Malformed)]
    [InlineData("{", EventKind.Malformed)]
    [InlineData("[]", EventKind.Malformed)]
    [InlineData("{}", EventKind.Malformed)]
    [InlineData("{\"text\":\"a\"}x", EventKind.Malformed)]
    [InlineData("""{"text":"a","meta_info":{"id":"x","finish_reason":null}}""", EventKind.Content)]
    [InlineData("""{"index":1,"text":"a","meta_info":{"finish_reason":{"type":"stop","matched":2}}}""", EventKind.Finish, null,
        null, "stop")]
    [InlineData("""{"text":"","meta_info":{"finish_reason":{"type":"abort","message":"M","status_code":400,"err_type":null}}}""",
        EventKind.Abort, "M", 400)]
    [InlineData("""{"text":"","meta_info":{"finish_reason":{"type":"abort","message":"M","status_code":null}}}""",
        EventKind.Abort, "M")]
    [InlineData("""{"text":"","meta_info":{"finish_reason":{"type":"\u0061bort"}}}""", EventKind.Abort)]
    [InlineData("""{"error":{"message":"bad","type":"invalid_request_error","code":400,"retryable":false}}""", EventKind.Error,
        "bad", 400)]
    [InlineData("""{"error":{"message":"bad"}}""", EventKind.Error, "bad")]
    [InlineData("""{"error":"bad"}""", EventKind.Error, "bad")]
    [InlineData("""{"\u0065rror":"bad"}""", EventKind.Error, "bad")]
    [InlineData("""{"object":"error","message":"boom","type":"500","param":null,"code":500}""", EventKind.Error, "boom", 500)]
    public void Generate_events(string data, EventKind kind, string? message = null, int? code = null, string? reason = null) =>
        Check(data, Dialect.Generate, new(kind, message, code, reason));

    [Theory]
    [InlineData("""{"id":"x","choices":[{"index":0,"delta":{"reasoning_content":null,"role":"assistant","content":""},"finish_reason":null}]}""", EventKind.RoleOnly)]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}""", EventKind.Content)]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"a"},"finish_reason":null}]}""",
        EventKind.Content)]
    [InlineData("""{"choices":[{"index":0,"delta":{"tool_calls":[{}]}}],"error":null}""", EventKind.Content)]
    [InlineData("""{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}""", EventKind.Finish, null, null, "length")]
    [InlineData("""{"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}""", EventKind.Abort)]
    [InlineData("""{"choices":[],"usage":{"prompt_tokens":1}}""", EventKind.Usage)]
    [InlineData("""{"choices":[],"usage":null,"sglext":{}}""", EventKind.Other)]
    [InlineData("""{"error": {"object": "error", "message": "M", "type": "BAD_REQUEST", "param": null, "code": 400}}""",
        EventKind.Error, "M", 400)]
    [InlineData("""{"error":{"message":"M","code":"model_not_found"}}""", EventKind.Error, "M")]
    [InlineData("""{"choices":5}""", EventKind.Malformed)]
    public void Chat_events(string data, EventKind kind, string? message = null, int? code = null, string? reason = null) =>
        Check(data, Dialect.Chat, new(kind, message, code, reason));

    [Theory]
    [InlineData("""{"choices":[{"index":0,"text":"a","finish_reason":null}],"usage":null}""", EventKind.Content)]
    [InlineData("""{"choices":[{"index":0,"text":"a","finish_reason":"stop"}],"usage":null}""", EventKind.Finish, null, null,
        "stop")]
    public void Completion_events(string data, EventKind kind, string? message = null, int? code = null, string? reason = null) =>
        Check(data, Dialect.Completions, new(kind, message, code, reason));

    private static void Check(string data, Dialect dialect, EventFacts expected)
    {
        var bytes = Encoding.UTF8.GetBytes(data);
        Assert.Equal(expected, EventClassifier.Classify(bytes, dialect));
        if (expected.Kind is EventKind.Error or EventKind.Abort)
            Assert.True(EventClassifier.MayBeError(bytes));

        if (expected.Kind is EventKind.Content && !data.Contains("\"error\"", StringComparison.Ordinal))
            Assert.False(EventClassifier.MayBeError(bytes));
    }

    [Fact]
    public void Text_about_errors_does_not_look_like_one() =>
        Assert.False(EventClassifier.MayBeError("""{"text":"the \"error\" and the \"abort\" of an error"}"""u8));

    [Fact]
    public void Malformed_events_never_throw()
    {
        byte[] good = [.. """{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":{"type":"abort"}}],"meta_info":{"finish_reason":{"type":"x"}}}"""u8];
        for (var seed = 1; seed <= 5000; seed++)
        {
            var random = new Random(seed);
            var data = good.AsSpan(0, random.Next(2) == 0 ? good.Length : random.Next(good.Length)).ToArray();
            for (var count = random.Next(4); count > 0 && data.Length > 0; count--)
                data[random.Next(data.Length)] = (byte)random.Next(256);

            foreach (var dialect in Enum.GetValues<Dialect>())
            {
                var kind = EventClassifier.Classify(data, dialect).Kind;
                Assert.True(EventClassifier.MayBeError(data) || kind is not (EventKind.Error or EventKind.Abort), $"seed {seed}");
                ErrorBody.TryReadAbort(data, dialect, out _);
            }
            ErrorBody.Extract(data);
        }
    }

    [Theory]
    [InlineData("""{"error":{"message":"m"}}""", "m")]
    [InlineData("""{"object":"error","message":"m","type":"500","param":null,"code":500}""", "m")]
    [InlineData("""{"error":"Unauthorized"}""", "Unauthorized")]
    [InlineData("""{"error":"e","message":"m"}""", "m")]
    [InlineData("""{"type":"error","error":{"type":"x","message":"m"}}""", "m")]
    [InlineData("""{"detail":"Not Found"}""", "Not Found")]
    [InlineData("""{"detail":[{"msg":"x"}]}""", """{"detail":[{"msg":"x"}]}""")]
    [InlineData("Internal Server Error\n", "Internal Server Error")]
    [InlineData("", "")]
    public void Error_bodies_give_their_message(string body, string message) =>
        Assert.Equal(message, ErrorBody.Extract(Encoding.UTF8.GetBytes(body)));

    [Theory]
    [InlineData("""{"text":"","meta_info":{"finish_reason":{"type":"abort","message":"M"}}}""", Dialect.Generate, "M")]
    [InlineData("""[{"text":"a","meta_info":{"finish_reason":{"type":"stop"}}},{"meta_info":{"finish_reason":{"type":"abort","message":"N"}}}]""", Dialect.Generate, "N")]
    [InlineData("""{"choices":[{"message":{"content":"x"},"finish_reason":"abort"}]}""", Dialect.Chat, null)]
    public void Aborts_with_status_200_are_found(string body, Dialect dialect, string? message)
    {
        Assert.True(ErrorBody.TryReadAbort(Encoding.UTF8.GetBytes(body), dialect, out var abort));
        Assert.Equal((EventKind.Abort, message, null), (abort.Kind, abort.Message, abort.Code));
    }

    [Fact]
    public void Good_answers_are_not_aborts() => Assert.False(ErrorBody.TryReadAbort(
        """{"choices":[{"message":{"content":"\"abort\" \"error\""},"finish_reason":"stop"}]}"""u8, Dialect.Chat, out _));
}
