using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Wire;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Tests.Transport;

/// <summary>A transport under Kestrel, as clients on the wire and as requests see it.</summary>
public abstract class TransportTests
{
    private const int Block = 64 * 1024;
    private const int MostStreamed = 64 * 1024 * 1024;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<string> _seen = new();
    private readonly TaskCompletionSource _isStuck = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _wasRead = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _streamed;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    protected abstract TransportKind Kind { get; }

    [Fact]
    public async Task A_request_in_single_bytes_is_answered()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        foreach (var next in Encoding.ASCII.GetBytes(HeadOf(5) + "hello" + "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
            await client.SendAsync(new[] { next });
        Assert.Equal(HashOf("hello"u8), await client.TextAsync());
        Assert.Equal("hello", await client.TextAsync());
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_order()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        var bodies = Enumerable.Range(0, 60).Select(i => Bytes(i * 997, i)).ToArray();
        using var all = new MemoryStream();
        foreach (var body in bodies)
        {
            all.Write(Encoding.ASCII.GetBytes(HeadOf(body.Length)));
            all.Write(body);
            all.Write("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"u8);
        }
        var sending = client.SendAsync(all.ToArray());
        foreach (var body in bodies)
        {
            Assert.Equal(HashOf(body), await client.TextAsync());
            Assert.Equal("hello", await client.TextAsync());
        }
        await sending;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_long_body_in_pieces_of_any_size_arrives_unchanged(bool chunked)
    {
        await using var stage = await StartAsync();
        for (var seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            // The first requests of a connection run on another thread than later ones.
            var client = await stage.ConnectAsync();
            for (var request = 0; request < 3; request++)
            {
                var body = Bytes(random.Next(1_500_000), seed);
                await client.SendAsync(HeadOf(chunked ? null : body.Length));
                for (var at = 0; at < body.Length;)
                {
                    var most = random.Next(4) == 0 ? 200_000 : 20_000;
                    var piece = body.AsMemory(at, Math.Min(random.Next(1, most), body.Length - at));
                    await client.SendAsync(chunked ? ChunkOf(piece.Span) : piece);
                    at += piece.Length;
                    if (random.Next(3) == 0)
                        await Task.Yield();
                }
                await client.SendAsync(chunked ? "0\r\n\r\n" : "");
                Assert.Equal(HashOf(body), await client.TextAsync());
            }
        }
    }

    [Theory]
    [InlineData(9_000)]
    [InlineData(70_000)]
    [InlineData(1_000_000)]
    public async Task The_next_request_may_begin_in_the_packet_of_a_body(int size)
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        var body = Bytes(size, size);
        for (var round = 0; round < 10; round++)
        {
            await client.SendAsync(HeadOf(size));
            await client.SendAsync(body.AsMemory(0, round * size / 10));
            byte[] rest = [.. body[(round * size / 10)..], .. "GET /hello HTTP"u8];
            await client.SendAsync(rest);
            Assert.Equal(HashOf(body), await client.TextAsync());
            await client.SendAsync("/1.1\r\nHost: x\r\n\r\n");
            Assert.Equal("hello", await client.TextAsync());
        }
    }

    [Fact]
    public async Task Expect_continue_is_answered()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        var body = Bytes(200_000, 1);
        for (var round = 0; round < 3; round++)
        {
            await client.SendAsync("POST /hash HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n");
            Assert.Equal(100, (await client.AnswerAsync()).Status);
            await client.SendAsync(body);
            Assert.Equal(HashOf(body), await client.TextAsync());
        }
    }

    [Fact]
    public async Task A_head_that_is_too_large_is_refused_with_a_response()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        // All of it is sent before the response can arrive; it fits into the socket buffers.
        await client.TrySendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: x\r\nA: " + new string('a', 40_000)));
        Assert.Equal(431, (await client.AnswerAsync()).Status);
        await client.EndAsync();
    }

    [Fact]
    public async Task A_request_that_is_refused_before_its_body_was_read_gets_a_response()
    {
        await using var stage = await StartAsync();
        for (var round = 0; round < 10; round++)
        {
            var client = await stage.ConnectAsync();
            byte[] all = [.. "GET /hello HTTP/1.1\r\n\r\n"u8, .. Bytes(30_000, 1)];
            await client.SendAsync(all);
            Assert.Equal(400, (await client.AnswerAsync()).Status);
            await client.EndAsync();
        }
    }

    [Theory]
    [InlineData(Leaving.Half, false)]
    [InlineData(Leaving.Close, false)]
    [InlineData(Leaving.Reset, false)]
    [InlineData(Leaving.Half, true)]
    [InlineData(Leaving.Close, true)]
    [InlineData(Leaving.Reset, true)]
    public async Task A_client_that_leaves_within_a_body_ends_its_reading(Leaving how, bool chunked)
    {
        await using var stage = await StartAsync();
        foreach (var size in new[] { 1, 5_000, 100_000, 2_000_000 })
        {
            using var client = await stage.ConnectAsync();
            await client.SendAsync(HeadOf(chunked ? null : 3_000_000));
            await client.SendAsync(chunked ? ChunkOf(Bytes(size, 1)) : Bytes(size, 1));
            await SeenAsync("/hash");
            client.Leave(how);
            var failed = await NextAsync();
            Assert.True(
                failed is nameof(ConnectionResetException) or nameof(BadHttpRequestException)
                    or nameof(OperationCanceledException) or nameof(TaskCanceledException), failed);
        }
        await StillServesAsync(stage);
    }

    [Theory]
    [InlineData(Leaving.Half)]
    [InlineData(Leaving.Close)]
    [InlineData(Leaving.Reset)]
    public async Task A_client_that_leaves_during_the_request_cancels_it(Leaving how)
    {
        await using var stage = await StartAsync();
        foreach (var size in new[] { 0, 100, 100_000 })
        {
            using var client = await stage.ConnectAsync();
            await client.SendAsync(HeadOf(size, "/wait"));
            await client.SendAsync(Bytes(size, 1));
            await SeenAsync("/wait");
            client.Leave(how);
            await SeenAsync("aborted");
        }
        await StillServesAsync(stage);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(60_000)]
    [InlineData(1_000_000)]
    public async Task A_client_that_leaves_right_after_the_request_cancels_it(int size)
    {
        await using var stage = await StartAsync();
        var body = Bytes(size, 1);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var round = 0; round < 10; round++)
            {
                using var client = await stage.ConnectAsync();
                byte[] all = [.. Encoding.ASCII.GetBytes(HeadOf(size, "/wait")), .. body];
                await client.SendAsync(all);
                client.Leave(Leaving.Half);
                // The request waits without a limit, so the end of the connection shows that it was cancelled.
                await client.EndAsync();
            }
        }));
        await StillServesAsync(stage);
    }

    [Fact]
    public async Task Writes_wait_for_a_slow_client_and_continue_when_it_reads()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync(receiveBuffer: 16 * 1024);
        await client.SendAsync("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        await _isStuck.Task.WaitAsync(Limit, Token);
        Assert.InRange(Volatile.Read(ref _streamed), Block, MostStreamed / 2);
        var (status, body) = await client.AnswerAsync();
        Assert.Equal((200, MostStreamed), (status, body.Length));
        for (var at = 0; at < body.Length; at += Block)
            Assert.True(body.AsSpan(at, Block).SequenceEqual(Bytes(Block, at / Block)), $"wrong behind {at}");
    }

    [Theory]
    [InlineData(Leaving.Half)]
    [InlineData(Leaving.Close)]
    [InlineData(Leaving.Reset)]
    public async Task A_client_that_leaves_during_a_blocked_write_ends_it(Leaving how)
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync(receiveBuffer: 16 * 1024);
        await client.SendAsync("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        await _isStuck.Task.WaitAsync(Limit, Token);
        client.Leave(how);
        await SeenAsync("/stream");
        await SeenAsync("ended early");
        await StillServesAsync(stage);
    }

    [Fact]
    public async Task A_partial_response_ends_in_a_reset()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        await client.SendAsync("GET /half HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Contains("200", await client.HeadAsync());
        Assert.Equal("4", await client.LineAsync());
        await client.BytesAsync(4);
        _wasRead.SetResult();
        var broken = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await client.MoreAsync())
            {
            }
        });
        Assert.Equal(SocketError.ConnectionReset, broken.SocketErrorCode);
    }

    [Fact]
    public async Task A_connection_serves_hundreds_of_requests()
    {
        await using var stage = await StartAsync();
        var client = await stage.ConnectAsync();
        for (var i = 0; i < 500; i++)
        {
            var body = Bytes(i * 37, i);
            await client.SendAsync(HeadOf(body.Length));
            await client.SendAsync(body);
            Assert.Equal(HashOf(body), await client.TextAsync());
        }
    }

    [Fact]
    public async Task Many_connections_are_served_concurrently()
    {
        await using var stage = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async seed =>
        {
            var client = await stage.ConnectAsync();
            for (var i = 0; i < 5; i++)
            {
                var body = Bytes(((seed * 131) + (i * 7919)) % 40_000, seed);
                await client.SendAsync(HeadOf(body.Length));
                await client.SendAsync(body);
                Assert.Equal(HashOf(body), await client.TextAsync());
            }
        }));
    }

    [Fact]
    public async Task A_stopping_server_closes_idle_connections()
    {
        var stage = await StartAsync();
        try
        {
            var clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => stage.ConnectAsync()));
            foreach (var client in clients[..10])
            {
                await client.SendAsync("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
                Assert.Equal("hello", await client.TextAsync());
            }
            await stage.StopAsync(Token).WaitAsync(Limit, Token);
            foreach (var client in clients[..10])
                Assert.False(await client.MoreAsync());
            foreach (var client in clients[10..])
                await client.EndAsync();
            await Assert.ThrowsAsync<SocketException>(() => stage.ConnectAsync());
        }
        finally
        {
            await stage.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_stopping_server_lets_a_request_end()
    {
        var stage = await StartAsync();
        try
        {
            var client = await stage.ConnectAsync();
            await client.SendAsync(HeadOf(5));
            await client.SendAsync("hel");
            await SeenAsync("/hash");
            var stopping = stage.StopAsync(Token);
            await client.SendAsync("lo");
            Assert.Equal(HashOf("hello"u8), await client.TextAsync());
            await client.EndAsync();
            await stopping.WaitAsync(Limit, Token);
        }
        finally
        {
            await stage.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_port_in_use_is_reported_as_such()
    {
        await using var stage = await StartAsync();
        var taken = await Assert.ThrowsAsync<IOException>(() => TransportStage.StartAsync(Kind, Application, stage.There.Port));
        Assert.IsType<AddressInUseException>(taken.InnerException);
        await StillServesAsync(stage);
    }

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static string HashOf(ReadOnlySpan<byte> bytes) => Convert.ToHexString(SHA256.HashData(bytes));

    private static string HeadOf(int? length, string path = "/hash") =>
        $"POST {path} HTTP/1.1\r\nHost: x\r\n"
        + (length is null ? "Transfer-Encoding: chunked"
            : "Content-Length: " + length.Value.ToString(CultureInfo.InvariantCulture))
        + "\r\n\r\n";

    private static byte[] ChunkOf(ReadOnlySpan<byte> bytes) =>
        [.. Encoding.ASCII.GetBytes(bytes.Length.ToString("x", CultureInfo.InvariantCulture) + "\r\n"), .. bytes, .. "\r\n"u8];

    private static async Task StillServesAsync(TransportStage stage)
    {
        var client = await stage.ConnectAsync();
        await client.SendAsync("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Equal("hello", await client.TextAsync());
    }

    private Task<TransportStage> StartAsync() => TransportStage.StartAsync(Kind, Application);

    private async Task Application(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        switch (path)
        {
            case "/hash":
            case "/wait":
                if (path == "/hash")
                    _seen.Enqueue(path);
                SharedBody? body;
                try
                {
                    body = await BodyReader.ReadAsync(context.Request, MostStreamed, context.RequestAborted);
                }
                catch (Exception e)
                {
                    _seen.Enqueue(e.GetType().Name);
                    throw;
                }
                using (body)
                {
                    if (path == "/wait")
                    {
                        _seen.Enqueue(path);
                        await AbortedAsync(context);
                        _seen.Enqueue("aborted");
                        return;
                    }
                    _seen.Clear();
                    await context.Response.WriteAsync(HashOf(body!.Memory.Span), Token);
                }
                return;
            case "/stream":
                _seen.Enqueue(path);
                await StreamAsync(context);
                return;
            case "/half":
                await context.Response.WriteAsync("half", Token);
                await context.Response.Body.FlushAsync(Token);
                await _wasRead.Task.WaitAsync(Limit, Token);
                context.Abort();
                return;
            default:
                context.Response.ContentLength = 5;
                await context.Response.WriteAsync("hello", Token);
                return;
        }
    }

    private static async Task AbortedAsync(HttpContext context)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var watch = context.RequestAborted.Register(aborted.SetResult);
        await aborted.Task.WaitAsync(Token);
    }

    private async Task StreamAsync(HttpContext context)
    {
        context.Response.ContentLength = MostStreamed;
        var writer = context.Response.BodyWriter;
        for (var i = 0; i < MostStreamed / Block; i++)
        {
            Bytes(Block, i).CopyTo(writer.GetMemory(Block));
            writer.Advance(Block);
            var flushing = writer.FlushAsync(CancellationToken.None);
            Interlocked.Add(ref _streamed, Block);
            if (!flushing.IsCompleted)
                _isStuck.TrySetResult();
            if ((await flushing).IsCompleted || context.RequestAborted.IsCancellationRequested)
            {
                _seen.Enqueue("ended early");
                return;
            }
        }
    }

    private async Task SeenAsync(string word) => Assert.Equal(word, await NextAsync());

    private async Task<string> NextAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Limit);
        string? word;
        while (!_seen.TryDequeue(out word))
        {
            Assert.False(limit.IsCancellationRequested, "nothing was seen within 30 s");
            await Task.Yield();
        }
        return word;
    }
}

public sealed class LoopTransportTests : TransportTests
{
    public LoopTransportTests()
    {
        Assert.SkipUnless(SocketLoops.IsSupported, "socket loops need Linux on x86-64 or ARM64");
    }

    protected override TransportKind Kind => TransportKind.Loop;
}

/// <summary>The reference: Kestrel's own transport passes the same tests.</summary>
public sealed class SocketTransportTests : TransportTests
{
    protected override TransportKind Kind => TransportKind.Sockets;
}
