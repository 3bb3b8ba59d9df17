using System.Text;
using OrleansPd.Net.Http1;

namespace OrleansPd.Net.Tests.Http1;

/// <summary>The behaviour of every HTTP client for engines: run on ours and on the reference.</summary>
public abstract class UpstreamTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Content-Length: 11\r\n\r\n{\"a\":\"b\"} \n")]
    [InlineData("content-length:11\r\nX: y\r\n\r\n{\"a\":\"b\"} \n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n6\r\n\"b\"} \n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n0B;x=1\r\n{\"a\":\"b\"} \n\r\n0\r\nTrailer: t\r\n\r\n")]
    [InlineData("Connection: close\r\n\r\n{\"a\":\"b\"} \n")]
    public async Task A_body_is_read_to_its_end_even_byte_by_byte(string rest)
    {
        foreach (var piece in (int[])[int.MaxValue, 1, 7])
        {
            await using var engine = new ScriptedEngine(async connection =>
            {
                await connection.ReadAsync();
                var answer = Encoding.ASCII.GetBytes(Ok + rest);
                for (var at = 0; at < answer.Length; at += Math.Min(piece, answer.Length - at))
                    await connection.SayAsync(answer.AsMemory(at, Math.Min(piece, answer.Length - at)));
            });
            await using var upstream = Create();
            await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);

            Assert.Equal((200, "application/json"), (response.Status, response.ContentType));
            Assert.Equal("{\"a\":\"b\"} \n", await TextAsync(response));
            Assert.Equal(0, await response.ReadAsync(new byte[8], Token));
        }
    }

    [Theory]
    [InlineData("Content-Length: 11\r\n\r\n{\"a\":")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a")]
    public async Task A_connection_that_ends_within_the_response_is_an_error(string rest)
    {
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(Ok + rest);
        });
        await using var upstream = Create();
        await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);

        var error = await Assert.ThrowsAsync<UpstreamException>(() => TextAsync(response));

        Assert.False(error.NeverSent);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n\r\n")]
    [InlineData("HTTP/1.1 abc OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")]
    [InlineData("")]
    public async Task A_malformed_response_is_an_error(string answer)
    {
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(answer);
        });
        await using var upstream = Create();

        var error = await Assert.ThrowsAsync<UpstreamException>(async () =>
        {
            await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);
            await TextAsync(response);
        });

        Assert.False(error.NeverSent);
    }

    [Fact]
    public async Task An_endless_head_is_an_error()
    {
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(Ok);
            for (var i = 0; i < 10_000; i++)
                await connection.SayAsync($"X-{i}: {new string('x', 100)}\r\n");
        });
        await using var upstream = Create();

        await Assert.ThrowsAsync<UpstreamException>(async () => await upstream.SendAsync(Post(engine.Url, "{}"), Token));
    }

    [Fact]
    public async Task Interim_responses_are_skipped()
    {
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Ok + "Content-Length: 2\r\n\r\n{}");
        });
        await using var upstream = Create();
        await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);

        Assert.Equal(200, response.Status);
        Assert.Equal("{}", await TextAsync(response));
    }

    [Fact]
    public async Task The_request_is_sent_as_given()
    {
        var seen = new TaskCompletionSource<string?>();
        await using var engine = new ScriptedEngine(async connection =>
        {
            seen.TrySetResult(await connection.ReadAsync());
            await connection.SayAsync("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
        });
        await using var upstream = Create();
        var body = "{\"text\":\"" + new string('é', 70_000) + "\"}";
        var request = Post(engine.Url, body) with
        {
            Path = "/generate?x=1",
            Authorization = "Bearer key",
            Headers = [new("x-request-id", "r-1")]
        };
        await using var response = await upstream.SendAsync(request, Token);

        var text = await seen.Task;
        Assert.StartsWith("POST /generate?x=1 HTTP/1.1\r\n", text);
        Assert.Contains($"\r\nHost: {engine.Url.Authority}\r\n", text);
        Assert.Contains("\r\nContent-Type: application/json\r\n", text);
        Assert.Contains("\r\nAuthorization: Bearer key\r\n", text);
        Assert.Contains("\r\nx-request-id: r-1\r\n", text, StringComparison.OrdinalIgnoreCase);
        Assert.EndsWith("\r\n\r\n" + body, text);
        Assert.Equal((503, TimeSpan.FromSeconds(7), 0), (
            response.Status, response.RetryAfter, await response.ReadAsync(new byte[8], Token)));
    }

    [Fact]
    public async Task A_connection_is_reused_and_no_request_is_sent_twice()
    {
        var requests = 0;
        await using var engine = new ScriptedEngine(async connection =>
        {
            while (await connection.ReadAsync() is not null)
            {
                requests++;
                await connection.SayAsync(Ok + "Content-Length: 2\r\n\r\n{}");
            }
        });
        await using var upstream = Create();
        for (var i = 0; i < 20; i++)
        {
            await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);
            Assert.Equal("{}", await TextAsync(response));
        }

        Assert.Equal((20, 1), (requests, engine.Connections));
    }

    [Fact]
    public async Task A_connection_that_the_engine_closed_while_idle_is_not_reused()
    {
        TaskCompletionSource[] closed = [.. Enumerable.Range(0, 5).Select(_ => new TaskCompletionSource())];
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(Ok + "Content-Length: 2\r\n\r\n{}");
            connection.Close();
            // On loopback the end has arrived at the peer when the close returns.
            closed[connection.Number - 1].SetResult();
        });
        await using var upstream = Create();
        for (var i = 0; i < 5; i++)
        {
            await using (var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token))
                Assert.Equal("{}", await TextAsync(response));
            await closed[i].Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
            // A connection that had a response in the last 5 ms is reused without a poll of its socket.
            await Task.Delay(10, Token);
        }

        Assert.Equal(5, engine.Connections);
    }

    [Fact]
    public async Task A_request_that_the_engine_read_before_the_connection_broke_is_not_sent_again()
    {
        var requests = 0;
        await using var engine = new ScriptedEngine(async connection =>
        {
            while (await connection.ReadAsync() is not null)
            {
                if (++requests == 2)
                {
                    connection.Reset();
                    return;
                }
                await connection.SayAsync(Ok + "Content-Length: 2\r\n\r\n{}");
            }
        });
        await using var upstream = Create();
        await using (var first = await upstream.SendAsync(Post(engine.Url, "{}"), Token))
            await TextAsync(first);

        var error = await Assert.ThrowsAsync<UpstreamException>(
            async () => await upstream.SendAsync(Post(engine.Url, "{}"), Token));

        Assert.Equal((false, false, 2, 1), (error.NeverSent, error.WasStale, requests, engine.Connections));
    }

    [Fact]
    public async Task A_refused_connection_differs_from_a_broken_response()
    {
        var engine = new ScriptedEngine(_ => Task.CompletedTask);
        await engine.DisposeAsync();
        await using var upstream = Create();

        var error = await Assert.ThrowsAsync<UpstreamException>(
            async () => await upstream.SendAsync(Post(engine.Url, "{}"), Token));

        Assert.True(error.NeverSent);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancelling_closes_the_connection(bool inBody)
    {
        using var cancel = new CancellationTokenSource();
        var left = new TaskCompletionSource();
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            if (inBody)
                await connection.SayAsync(Ok + "Content-Length: 100\r\n\r\n{");
            else
                await cancel.CancelAsync();
            try
            {
                Assert.Null(await connection.ReadAsync());
            }
            catch (IOException)
            {
                // A reset means the same.
            }
            left.SetResult();
        });
        await using var upstream = Create();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await using var response = await upstream.SendAsync(Post(engine.Url, "{}"), cancel.Token);
            Assert.Equal(1, await response.ReadAsync(new byte[16], cancel.Token));
            var more = response.ReadAsync(new byte[16], cancel.Token);
            await cancel.CancelAsync();
            await more;
        });

        await left.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
    }

    [Fact]
    public async Task Disposing_before_the_end_closes_the_connection()
    {
        var left = new TaskCompletionSource();
        await using var engine = new ScriptedEngine(async connection =>
        {
            await connection.ReadAsync();
            await connection.SayAsync(Ok + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n");
            try
            {
                await connection.ReadAsync();
            }
            catch (IOException)
            {
            }
            left.SetResult();
        });
        await using var upstream = Create();
        var response = await upstream.SendAsync(Post(engine.Url, "{}"), Token);
        await response.DisposeAsync();

        await left.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
    }

    [Fact]
    public async Task Https_addresses_use_tls()
    {
        await using var engine = new ScriptedEngine(
            async connection =>
            {
                while (await connection.ReadAsync() is { } request)
                    await connection.SayAsync(Ok + $"Content-Length: {request.Length}\r\n\r\n{request}");
            },
            tls: true);
        await using var upstream = Create(
            new UpstreamOptions { Tls = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true } });
        foreach (var size in (int[])[10, 100_000])
        {
            await using var response = await upstream.SendAsync(Post(engine.Url, new string('x', size)), Token);
            Assert.EndsWith("\r\n\r\n" + new string('x', size), await TextAsync(response));
        }
        Assert.Equal(1, engine.Connections);
    }

    [Fact]
    public async Task An_untrusted_certificate_is_refused()
    {
        await using var engine = new ScriptedEngine(connection => connection.ReadAsync(), tls: true);
        await using var upstream = Create();

        var error = await Assert.ThrowsAsync<UpstreamException>(
            async () => await upstream.SendAsync(Post(engine.Url, "{}"), Token));

        Assert.True(error.NeverSent);
    }

    protected abstract IUpstream Create(UpstreamOptions? options = null);

    private static UpstreamRequest Post(Uri engine, string body) =>
        new() { Engine = engine, Path = "/generate", Body = new UpstreamBody(Encoding.UTF8.GetBytes(body)) };

    private static async Task<string> TextAsync(IUpstreamResponse response)
    {
        var all = new List<byte>();
        var buffer = new byte[32];
        while (await response.ReadAsync(buffer, Token) is > 0 and var read)
            all.AddRange(buffer.AsSpan(0, read));
        return Encoding.UTF8.GetString([.. all]);
    }
}

public sealed class DirectUpstreamTests : UpstreamTests
{
    protected override IUpstream Create(UpstreamOptions? options = null) => new DirectUpstream(options);
}

public sealed class LoopUpstreamTests : UpstreamTests
{
    protected override IUpstream Create(UpstreamOptions? options = null)
    {
        options ??= new UpstreamOptions();
        options.UseSocketLoop = true;
        return new DirectUpstream(options);
    }
}

public sealed class HandlerUpstreamTests : UpstreamTests
{
    protected override IUpstream Create(UpstreamOptions? options = null) => new HandlerUpstream(options);
}
