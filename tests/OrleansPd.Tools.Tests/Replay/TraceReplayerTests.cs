using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OrleansPd.Testing;
using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Tests.Replay;

public sealed class TraceReplayerTests
{
    private const string Role = """{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}""";
    private const string Content = """{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}""";
    private const string Finish = """{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}""";
    private const string Usage = """{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}""";

    [Fact]
    public async Task Every_request_of_a_trace_is_sent_and_counted()
    {
        await using var stub = await StubEngine.StartAsync((context, body) => StubEngine.StreamAsync(context,
            StubEngine.GenerateFrames(body.GetProperty("sampling_params").GetProperty("max_new_tokens").GetInt32())));

        var report = await ReplayAsync(new() { Url = stub.Url, Speed = 0, Concurrency = 32, ApiKey = "k" }, requests: 300);

        Assert.Equal((300, 300, 0), (report.Requests, report.Succeeded, report.Failed));
        Assert.Equal((300 * 11, 300 * 3), (report.InputTokens, report.OutputTokens));
        Assert.Equal((300, 600, 300), (report.FirstOutput.Count, report.BetweenTokens.Count, report.Total.Count));
        Assert.All(stub.Requests, request => Assert.Equal(("/generate", "Bearer k"), (request.Path, request.Authorization)));
        Assert.Equal(300, stub.Requests.Select(request => request.Body.GetProperty("input_ids").ToString()).Distinct().Count());
    }

    [Fact]
    public async Task The_first_token_of_a_chat_is_its_first_content_and_the_engines_count_is_final()
    {
        var sawRole = new TaskCompletionSource();
        await using var stub = await StubEngine.StartAsync(async (context, _) =>
        {
            await StubEngine.StreamAsync(context, Role);
            sawRole.SetResult();
            await StubEngine.StreamAsync(context, Content, Content, Finish, Usage, "[DONE]");
        });

        var report = await ReplayAsync(new() { Url = stub.Url, Endpoint = ReplayEndpoint.Chat, Model = "m" });

        await sawRole.Task;
        Assert.Equal((1, 9, 5), (report.Succeeded, report.InputTokens, report.OutputTokens));
        Assert.Equal((1, 1), (report.FirstOutput.Count, report.BetweenTokens.Count));
        var (path, body, _) = Assert.Single(stub.Requests);
        Assert.Equal(("/v1/chat/completions", "m", 3),
            (path, body.GetProperty("model").GetString(), body.GetProperty("max_tokens").GetInt32()));
        Assert.Matches("^w[0-9]+( w[0-9]+){15}$", body.GetProperty("messages")[0].GetProperty("content").GetString()!);
    }

    [Fact]
    public async Task Whole_answers_have_no_first_token()
    {
        await using var stub = await StubEngine.StartAsync((context, _) => context.Response.WriteAsJsonAsync(
            JsonSerializer.Deserialize<JsonElement>(
                """{"choices":[{"text":"a b"}],"usage":{"prompt_tokens":2,"completion_tokens":3}}""")));

        var report = await ReplayAsync(new() { Url = stub.Url, Endpoint = ReplayEndpoint.Completions, Stream = false });

        Assert.Equal((1, 3, 0), (report.Succeeded, report.OutputTokens, report.FirstOutput.Count));
        Assert.False(stub.Requests.Single().Body.GetProperty("stream").GetBoolean());
    }

    public static TheoryData<string, string[]> BadStreams => new()
    {
        { FailureKind.CutStream, [.. StubEngine.GenerateFrames(2).SkipLast(1)] },
        { FailureKind.ErrorEvent, ["""{"error":{"message":"no"}}""", "[DONE]"] },
        { FailureKind.ErrorEvent, [.. StubEngine.GenerateFrames(2).Take(1), """{"error":{"message":"no"}}""", "[DONE]"] },
        { FailureKind.Aborted, [.. StubEngine.GenerateFrames(1, """{"type":"abort","message":"no"}""")] },
        { FailureKind.Empty, ["[DONE]"] },
        { FailureKind.BadAnswer, ["no json", "[DONE]"] },
    };

    [Theory]
    [MemberData(nameof(BadStreams))]
    public async Task A_bad_stream_is_an_error_of_its_kind(string kind, string[] frames)
    {
        await using var stub = await StubEngine.StartAsync((context, _) => StubEngine.StreamAsync(context, frames));

        var report = await ReplayAsync(new() { Url = stub.Url });

        Assert.Equal((0, 1), (report.Succeeded, report.Failed));
        Assert.Equal(kind, Assert.Single(report.Failures).Key);
        Assert.Equal((0, 0), (report.FirstOutput.Count, report.Total.Count));
    }

    [Fact]
    public async Task A_status_is_an_error_with_the_servers_words()
    {
        await using var stub = await StubEngine.StartAsync((context, _) =>
        {
            context.Response.StatusCode = 503;
            return context.Response.WriteAsync("""{"error":{"message":"no engine"}}""");
        });

        var report = await ReplayAsync(new() { Url = stub.Url, Speed = 0 }, requests: 3);

        Assert.Equal(("http 503", new FailureCount(3, "no engine")),
            (report.Failures.Single().Key, report.Failures.Single().Value));
    }

    [Fact]
    public async Task A_connection_that_breaks_is_an_error()
    {
        await using var stub = await StubEngine.StartAsync(async (context, _) =>
        {
            await StubEngine.StreamAsync(context, StubEngine.GenerateFrames(2).First());
            context.Abort();
        });

        Assert.Equal(FailureKind.Broken, (await ReplayAsync(new() { Url = stub.Url })).Failures.Single().Key);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_a_timeout()
    {
        var hang = new TaskCompletionSource();
        await using var stub = await StubEngine.StartAsync((_, _) => hang.Task);

        var report = await ReplayAsync(new() { Url = stub.Url, Timeout = TimeSpan.FromMilliseconds(50) });

        hang.SetResult();
        Assert.Equal(FailureKind.Timeout, report.Failures.Single().Key);
    }

    [Fact]
    public async Task No_more_requests_are_open_than_allowed()
    {
        var open = 0;
        var most = 0;
        await using var stub = await StubEngine.StartAsync(async (context, _) =>
        {
            var now = Interlocked.Increment(ref open);
            InterlockedMax(ref most, now);
            await Task.Yield();
            await StubEngine.StreamAsync(context, StubEngine.GenerateFrames(1).SkipLast(1));
            Interlocked.Decrement(ref open);
            await StubEngine.StreamAsync(context, "[DONE]");
        });

        var report = await ReplayAsync(new() { Url = stub.Url, Speed = 0, Concurrency = 4 }, requests: 100);

        Assert.Equal(100, report.Succeeded);
        Assert.InRange(most, 1, 4);

        static void InterlockedMax(ref int target, int value)
        {
            for (var seen = Volatile.Read(ref target); value > seen;)
                seen = Interlocked.CompareExchange(ref target, value, seen) is var now && now == seen ? value : now;
        }
    }

    [Fact]
    public async Task A_verifier_sees_the_whole_answer_and_its_no_is_an_error()
    {
        await using var stub = await StubEngine.StartAsync((context, _) =>
        {
            context.Response.Headers["x-pair"] = "p/d";
            return StubEngine.StreamAsync(context, StubEngine.GenerateFrames(3));
        });
        var seen = new List<ReplayedRequest>();

        var report = await ReplayAsync(
            new()
            {
                Url = stub.Url,
                Concurrency = 1,
                Verifier = (request, _) =>
                {
                    seen.Add(request);
                    return ValueTask.FromResult(request.Index == 0 ? null : "not so");
                },
            },
            requests: 2);

        Assert.Equal((1, 1), (report.Succeeded, report.Failed));
        Assert.Equal(new FailureCount(1, "not so"), report.Failures[FailureKind.Mismatch]);
        Assert.Equal((" t0 t1 t2", "p/d", 3), (seen[0].Text, seen[0].Headers["X-Pair"], seen[0].OutputTokens));
        Assert.Equal([0, 1, 2], seen[0].OutputIds);
    }

    [Fact]
    public async Task Streams_of_increments_add_up()
    {
        string[] frames =
        [
            """{"text":" a","output_ids":[1],"meta_info":{"completion_tokens":1}}""",
            """{"text":" b c","output_ids":[2,3],"meta_info":{"completion_tokens":3}}""", "[DONE]",
        ];
        await using var stub = await StubEngine.StartAsync((context, _) => StubEngine.StreamAsync(context, frames));
        ReplayedRequest? seen = null;

        await ReplayAsync(new()
        {
            Url = stub.Url,
            Verifier = (request, _) =>
            {
                seen = request;
                return ValueTask.FromResult<string?>(null);
            },
        });

        Assert.Equal((" a b c", 3), (seen!.Text, seen.OutputTokens));
        Assert.Equal([1, 2, 3], seen.OutputIds);
    }

    [Fact]
    public async Task Stopping_early_reports_what_was_finished()
    {
        using var stop = new CancellationTokenSource();
        var hang = new TaskCompletionSource();
        var count = 0;
        await using var stub = await StubEngine.StartAsync(async (context, _) =>
        {
            if (Interlocked.Increment(ref count) == 3)
            {
                await stop.CancelAsync();
                await hang.Task;
            }

            await StubEngine.StreamAsync(context, StubEngine.GenerateFrames(1));
        });
        using var replayer = new TraceReplayer(new() { Url = stub.Url, Concurrency = 1 }, TimeProvider.System);

        var report = await replayer.RunAsync(TraceOf(5), stop.Token);

        hang.SetResult();
        Assert.Equal((true, 2, 0), (report.Interrupted, report.Succeeded, report.Failed));
    }

    [Fact]
    public async Task Arrivals_keep_the_time_of_the_trace_divided_by_the_speed()
    {
        await using var stub =
            await StubEngine.StartAsync((context, _) => StubEngine.StreamAsync(context, StubEngine.GenerateFrames(1)));
        var clock = new LeapingClock();
        // One at a time: the clock leaps on as soon as somebody waits for the next one.
        var options = new ReplayOptions { Url = stub.Url, Speed = 2, Concurrency = 1, Timeout = Timeout.InfiniteTimeSpan };
        using var replayer = new TraceReplayer(options, clock);
        var arrivals = new[] { 0.0, 2, 6, 6 }.Select(at => new TraceRequest(TimeSpan.FromSeconds(at), 1, 1, []));

        var report = await replayer.RunAsync(new("test", 8, arrivals), TestContext.Current.CancellationToken);

        Assert.Equal([1.0, 2], clock.Waits.Select(wait => wait.TotalSeconds));
        Assert.Equal((4, TimeSpan.FromSeconds(3), TimeSpan.Zero), (report.Succeeded, report.Elapsed, report.Lag.Max));
    }

    private static async Task<ReplayReport> ReplayAsync(ReplayOptions options, int requests = 1)
    {
        using var replayer = new TraceReplayer(options, TimeProvider.System);
        return await replayer.RunAsync(TraceOf(requests), TestContext.Current.CancellationToken);
    }

    private static Trace TraceOf(int requests) =>
        new("test", 8, Enumerable.Range(0, requests).Select(index => new TraceRequest(default, 16, 3, [1, 2 + index])), requests);
}
