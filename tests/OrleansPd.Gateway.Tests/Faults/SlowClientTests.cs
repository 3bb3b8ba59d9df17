using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>A client that reads slowly, or not at all, holds up its own stream and no memory.</summary>
public sealed class SlowClientTests(ITestOutputHelper output)
{
    private const int EventBytes = 4096;

    /// <summary>The engine would stream for ever; the sink stands for a client that has stopped reading.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task While_a_client_does_not_read_no_more_than_one_chunk_is_taken_from_the_engine(bool resume)
    {
        await using var stage = await Stage.StartAsync();
        await using var upstream = new EndlessUpstream(stage.Decode.Single().Url);
        var dispatcher = new RequestDispatcher(
            stage.ControlPlane, upstream, new RidSource(
                1), new LiveRids(), new DispatchOptions { ResumeStreams = resume }, TimeProvider.System);
        var body = """{"text":"x","stream":true}"""u8.ToArray();
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(body, Dialect.Generate, ScanLimits.Default, shape, out _));
        using var shared = SharedBody.CopyOf(body);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Stage.Token);
        var sink = new BlockedSink(after: 10);
        var running = dispatcher.RunAsync(
            new DispatchCall { Path = "/generate", Body = shared, Shape = shape, Pair = new PairRequest() }, sink, gone.Token)
                .AsTask();

        await sink.Blocked.WaitAsync(TimeSpan.FromSeconds(30), Stage.Token);
        var taken = upstream.Taken;
        // However long others run meanwhile, nothing more is read.
        for (var i = 0; i < 10_000; i++)
            await Task.Yield();
        Assert.Equal(taken, upstream.Taken);
        Assert.InRange(taken - sink.Written, 0, 32 * 1024);
        output.WriteLine($"{taken} bytes were taken from the engine, {sink.Written} given to the client: {taken - sink.Written} "
            + "held");
        await gone.CancelAsync();
        Assert.Equal("client_gone", (await running)[0].Reason);
        Assert.Equal(0, dispatcher.OpenDecodeLegs);
    }

    /// <summary>
    /// The same through sockets: what is on its way is what Kestrel and the kernel hold, and the engine is held up by it.
    /// </summary>
    [Fact]
    public async Task An_engine_is_held_up_by_a_client_that_does_not_read_and_goes_on_when_it_does()
    {
        const int Tokens = 2500; // cumulative frames: some 30 MB in all, far more than sockets hold
        await using var stage = await Stage.StartAsync(engine: o => o with { ContextLength = 100_000 });
        var body = FleetFaultStage.Request(Tokens, stream: true);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 16 * 1024 };
        await socket.ConnectAsync(IPAddress.Loopback, stage.Gateway.Url.Port, Stage.Token);
        await socket.SendAsync(Encoding.UTF8.GetBytes(
            "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                + $"{Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"),
            Stage.Token);

        // The stream begins, and then nobody reads: decode makes its tokens, but the relay of them stands still.
        await Stage.UntilAsync(() => stage.Gateway.Dispatcher.OpenDecodeLegs == 1 && socket.Available > 0);
        await using var other = await Stage.StartAsync();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < 100; i++)
        {
            await other.AskAsync("/generate", FleetFaultStage.Request()); // others are served meanwhile
        }
        Assert.Equal(1, stage.Gateway.Dispatcher.OpenDecodeLegs);
        output.WriteLine($"{(GC.GetTotalMemory(forceFullCollection: true) - before) / 1024} KB more on the heap, engines "
            + "included");

        var read = new MemoryStream();
        var chunk = new byte[64 * 1024];
        int count;
        while ((count = await socket.ReceiveAsync(chunk, Stage.Token)) > 0)
            read.Write(chunk, 0, count);
        var text = Encoding.UTF8.GetString(read.GetBuffer(), 0, (int)read.Length);
        Assert.Contains("data: [DONE]\n\n", text);
        Assert.Contains($"\"completion_tokens\":{Tokens}", text);
        output.WriteLine($"{read.Length / 1e6:0.0} MB in all");
        await stage.EmptyAsync();
    }

    private sealed class BlockedSink(int after) : IAnswerSink
    {
        private readonly TaskCompletionSource _blocked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _writes;

        public Task Blocked => _blocked.Task;

        public long Written { get; private set; }

        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
            throw new InvalidOperationException();

        public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Written += bytes.Length;
            if (++_writes > after)
            {
                _blocked.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
        }

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken) =>
            throw new InvalidOperationException(error.ToString());
    }

    /// <summary>The decode streams without end; the prefill answers with nothing.</summary>
    private sealed class EndlessUpstream(Uri decode) : IUpstream
    {
        private long _taken;

        /// <summary>Bytes of the decode's stream that were read.</summary>
        public long Taken => Interlocked.Read(ref _taken);

        public async ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
        {
            await Task.Yield();
            return new Endless(this, request.Engine == decode && request.Path == "/generate");
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private sealed class Endless(EndlessUpstream owner, bool generates) : IUpstreamResponse
        {
            private static readonly byte[] Event = Encoding.UTF8.GetBytes(
                $$$"""data: {"text":"{{{new string('x', EventBytes - 120)}}}","output_ids":[1],"meta_info":{"finish_reason":null,"completion_tokens":1} }""" + "\n\n");

            private int _at;

            public int Status => 200;

            public string? ContentType => generates ? "text/event-stream" : "application/json";

            public long? ContentLength => null;

            public TimeSpan? RetryAfter => null;

            public bool IsComplete => false;

            public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
            {
                await Task.Yield();
                cancellationToken.ThrowIfCancellationRequested();
                if (!generates)
                    return 0;
                var count = Math.Min(buffer.Length, Event.Length - _at);
                Event.AsMemory(_at, count).CopyTo(buffer);
                _at = (_at + count) % Event.Length;
                Interlocked.Add(ref owner._taken, count);
                return count;
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
