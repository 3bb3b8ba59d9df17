using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Chaos;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>An exception inside the gateway is logged once, with the request id; its text reaches no client.</summary>
public sealed class GatewayFailureTests
{
    private const string Secret = "secret-path /x/y";

    [Theory]
    [InlineData("/generate", """{"text":"hello"}""")]
    [InlineData("/generate", """{"text":"hello","stream":true}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"hello"}],"stream":true}""")]
    [InlineData("/v1/embeddings", """{"input":"hello"}""")]
    public async Task An_exception_before_the_answer_is_a_fixed_sentence_for_the_client_and_one_line_in_the_log(
        string path, string body)
    {
        var engines = new ScriptedUpstream { Answer = (_, _) => throw new InvalidOperationException(Secret) };

        var (status, answer, debug, log) = await AskAsync(engines, path, body);

        Assert.Equal(500, status);
        Assert.Contains("its log has the reason under this request id", answer);
        NothingLeaks(answer, debug, log);
    }

    [Fact]
    public async Task An_exception_in_the_middle_of_a_stream_ends_it_with_a_fixed_sentence()
    {
        var engines = new ScriptedUpstream
        {
            Answer = (call, _) => call.IsAbort || call.IsPrefill ? new(ScriptedUpstream.Good(call)) : new(new BrokenStream()),
        };

        var (status, answer, debug, log) = await AskAsync(engines, "/generate", """{"text":"hello","stream":true}""");

        Assert.Equal(200, status);
        Assert.Contains("first", answer);
        Assert.Contains("its log has the reason under this request id", answer);
        NothingLeaks(answer, debug, log);
    }

    private static void NothingLeaks(string answer, string debug, string log)
    {
        foreach (var seen in new[] { answer, debug })
        {
            Assert.DoesNotContain("secret", seen);
            Assert.DoesNotContain("   at ", seen);
            Assert.DoesNotContain(".cs:", seen);
        }
        Assert.Contains(Secret, log);
    }

    /// <summary>
    /// Sends one request and reads its answer, its entry in <c>/debug/requests</c>, and its only line in the log.
    /// </summary>
    private static async Task<(int Status, string Answer, string Debug, string Log)> AskAsync(
        ScriptedUpstream engines, string path, string body)
    {
        var lines = new ConcurrentQueue<string>();
        using var errors = new ErrorLog(lines);
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        await using var gateway = await GatewayServer.StartAsync(
            options, new FixedControlPlane(Workers()), logging => logging.AddProvider(errors), upstream: engines,
            cancellationToken: Stage.Token);
        using var client = new HttpClient { BaseAddress = gateway.Url };
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(path, content, Stage.Token);
        var answer = await response.Content.ReadAsStringAsync(Stage.Token);
        var id = response.Headers.GetValues("x-request-id").Single();
        await Stage.UntilAsync(() => gateway.Requests.Find(id) is not null && gateway.Dispatcher.OpenPrefillLegs == 0);
        var debug = await client.GetStringAsync($"/debug/requests/{id}", Stage.Token);
        var line = Assert.Single(lines);
        Assert.Contains(id, line);
        return ((int)response.StatusCode, answer, debug, line);
    }

    private static ImmutableArray<WorkerSnapshot> Workers() =>
    [
        Worker("p0", WorkerRole.Prefill, 0), Worker("d0", WorkerRole.Decode, 1), Worker("r0", WorkerRole.Regular, 2),
    ];

    private static WorkerSnapshot Worker(string host, WorkerRole role, int slot) => new()
    {
        Id = new WorkerId(host),
        Url = new Uri($"http://{host}:30000"),
        Role = role,
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = slot,
        Facts = new WorkerFacts { DpSize = 1 },
        BootstrapHost = host,
        BootstrapPort = 8998,
    };

    /// <summary>One good event, and then a bug.</summary>
    private sealed class BrokenStream : IUpstreamResponse
    {
        private bool _isRead;

        public int Status => 200;

        public string? ContentType => "text/event-stream";

        public long? ContentLength => null;

        public TimeSpan? RetryAfter => null;

        public bool IsComplete => false;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            if (_isRead)
                throw new InvalidOperationException(Secret);
            _isRead = true;
            return new(Encoding.UTF8.GetBytes(
                "data: {\"text\":\"first\",\"meta_info\":{\"finish_reason\":null}}\n\n", buffer.Span));
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
