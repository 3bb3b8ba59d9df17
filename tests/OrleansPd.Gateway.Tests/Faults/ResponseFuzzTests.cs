using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// Whatever two engines answer, in whatever pieces: the client gets one answer that it can read, each leg is given back once, no
/// engine is sent another prompt, and nothing hangs or throws. A failure names the seed that repeats it.
/// </summary>
public sealed class ResponseFuzzTests(ITestOutputHelper output)
{
    private const int Seeds = 1500;
    private const string Prompt = "The \"capital\" of naïve 日本 😀\\n";

    [Theory]
    [InlineData(Dialect.Generate, false)]
    [InlineData(Dialect.Chat, false)]
    [InlineData(Dialect.Completions, false)]
    [InlineData(Dialect.Generate, true)]
    [InlineData(Dialect.Chat, true)]
    public async Task Any_two_responses_end_in_one_readable_answer(Dialect dialect, bool resume)
    {
        var only = Environment.GetEnvironmentVariable("ORLEANSPD_SEED");
        var first = only is null ? 1 : int.Parse(only, CultureInfo.InvariantCulture);
        var reasons = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        await Parallel.ForAsync(first, first + (only is null ? Seeds : 1),
            new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = Stage.Token }, async (seed, token) =>
        {
            try
            {
                var reason = await RunAsync(new Random(seed), dialect, resume).WaitAsync(TimeSpan.FromSeconds(60), token);
                reasons.AddOrUpdate(reason, 1, (_, n) => n + 1);
            }
            catch (Exception e) when (e is not OperationCanceledException || !token.IsCancellationRequested)
            {
                throw new InvalidOperationException($"seed {seed} (repeat with ORLEANSPD_SEED={seed}): {e}", e);
            }
        });
        output.WriteLine(string.Join(", ", reasons.OrderByDescending(r => r.Value).Select(r => $"{r.Key} {r.Value}")));
        Assert.DoesNotContain("unknown", reasons.Keys);
    }

    private static async Task<string> RunAsync(Random random, Dialect dialect, bool resume)
    {
        var stream = resume || random.Next(2) == 0;
        var samples = !resume && random.Next(4) == 0 ? 2 : 1;
        var body = Body(dialect, stream, samples, logprobs: dialect == Dialect.Generate && !resume && random.Next(4) == 0);
        var plane = new FixedControlPlane([.. Workers()]);
        await using var upstream = new FuzzedUpstream(random, dialect, stream);
        var options = new DispatchOptions
        {
            FirstOutputTimeout = TimeSpan.FromMilliseconds(150),
            StreamIdleTimeout = TimeSpan.FromMilliseconds(150),
            PrefillDrain = TimeSpan.FromMilliseconds(150),
            RequestTimeout = TimeSpan.FromSeconds(5),
            ResumeStreams = resume,
        };
        var dispatcher = new RequestDispatcher(plane, upstream, new RidSource(1), new LiveRids(), options, TimeProvider.System);
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out var error), error.Message);
        using var shared = SharedBody.CopyOf(body);
        var sink = new JudgingSink(stream);
        var call = new DispatchCall
        {
            Path = "/x",
            Body = shared,
            Shape = shape,
            Pair = new PairRequest { MaxWait = TimeSpan.FromSeconds(1) }
        };

        var reports = await dispatcher.RunAsync(call, sink, Stage.Token);

        sink.Ended();
        await Stage.UntilAsync(() => plane.OpenLegs == 0 && dispatcher is { OpenDecodeLegs: 0, OpenPrefillLegs: 0 });
        foreach (var (_, sent) in upstream.Sent)
        {
            Assert.StartsWith(Prompt, PromptOf(JsonNode.Parse(sent)!, dialect), StringComparison.Ordinal);
            Assert.True(resume || PromptOf(JsonNode.Parse(sent)!, dialect) == Prompt);
        }
        var rooms = upstream.Sent.GroupBy(s => s.Port % 2)
            .Select(g => g.Select(s => (long)JsonNode.Parse(s.Body)!["bootstrap_room"]!).ToArray());
        Assert.All(rooms, side => Assert.Equal(side.Length, side.Distinct().Count()));
        return reports.Select(r => r.Reason).FirstOrDefault(r => r is not ("ok" or "client_gone")) ?? "ok";
    }

    private static byte[] Body(Dialect dialect, bool stream, int samples, bool logprobs)
    {
        var body = new JsonObject { ["stream"] = stream };
        switch (dialect)
        {
            case Dialect.Generate:
                body["text"] = Prompt;
                body["sampling_params"] = new JsonObject { ["n"] = samples, ["max_new_tokens"] = 8 };
                body["return_logprob"] = logprobs;
                break;
            case Dialect.Chat:
                body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = Prompt });
                (body["n"], body["max_tokens"]) = (samples, 8);
                break;
            default:
                body["prompt"] = Prompt;
                (body["n"], body["max_tokens"]) = (samples, 8);
                break;
        }
        return Encoding.UTF8.GetBytes(body.ToJsonString());
    }

    private static string PromptOf(JsonNode body, Dialect dialect) => dialect switch
    {
        Dialect.Generate => (string)body["text"]!,
        Dialect.Chat => (string)body["messages"]![0]!["content"]!,
        _ => (string)body["prompt"]!,
    };

    private static IEnumerable<WorkerSnapshot> Workers() => Enumerable.Range(0, 4).Select(slot => new WorkerSnapshot
    {
        Id = new($"w{slot}"),
        Url = new Uri($"http://engine:{1000 + slot}"), // odd ports are prefills
        Role = slot % 2 == 1 ? WorkerRole.Prefill : WorkerRole.Decode,
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = slot,
        Model = "m",
        Facts = WorkerFacts.Unknown,
        BootstrapHost = "engine",
        BootstrapPort = 8998,
    });

    /// <summary>Takes an answer and says whether a client could have read it.</summary>
    private sealed class JudgingSink(bool stream) : IAnswerSink
    {
        private readonly SseFramer _framer = new();
        private bool _answered;
        private bool _started;
        private bool _isEvents;
        private bool _done;
        private bool _failed;

        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            Once();
            Assert.InRange(head.Status, 200, 599);
            if (head.Status == 200)
                Assert.DoesNotContain(FuzzedResponse.PrefillOnly, Encoding.UTF8.GetString(body.Span));
            return ValueTask.CompletedTask;
        }

        public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken)
        {
            Once();
            (_started, _isEvents) = (true, head.IsEventStream);
            Assert.True(stream || !head.IsEventStream
                || head.ContentType!.StartsWith("text/event-stream", StringComparison.Ordinal));
            return ValueTask.CompletedTask;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Assert.True(_started && !_failed && !_done, "more was written before the start or after the end");
            var chunk = bytes.Span;
            while (_isEvents && _framer.Read(ref chunk, out var e) == SseReadResult.Event)
            {
                Assert.False(_done, "an event after [DONE]");
                _done = e.IsDone;
                Assert.True(e.IsDone || e.Data.IsEmpty || IsJson(e.Data), $"not JSON: {Encoding.UTF8.GetString(e.Data)}");
                Assert.DoesNotContain(FuzzedResponse.PrefillOnly, Encoding.UTF8.GetString(e.Data));
            }
            Assert.Equal(0, _framer.Pending); // whole events only
            return ValueTask.CompletedTask;
        }

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken)
        {
            Assert.True(_started && !_failed && !_done, "a failure before the start or after the end");
            Assert.NotEmpty(error.Message);
            _failed = true;
            return ValueTask.CompletedTask;
        }

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
        {
            Once();
            Assert.InRange(error.Status, 400, 599);
            Assert.NotEmpty(error.Message);
            return ValueTask.CompletedTask;
        }

        public void Ended()
        {
            Assert.True(_answered, "no answer");
            Assert.True(!_isEvents || _done || _failed, "a stream without an end");
            _framer.Dispose();
        }

        private void Once()
        {
            Assert.False(_answered, "a second answer");
            _answered = true;
        }

        private static bool IsJson(ReadOnlySpan<byte> text)
        {
            try
            {
                using var document = JsonDocument.Parse(text.ToArray(), new JsonDocumentOptions { MaxDepth = 512 });
                return document.RootElement.ValueKind == JsonValueKind.Object;
            }
            catch (JsonException)
            {
                return false;
            }
        }
    }
}
