using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Security;

/// <summary>Requests that are written to be read in two ways, and addresses that a worker must not have.</summary>
public sealed class WireTests
{
    private const string Good = """{"text":"a"}""";

    /// <summary>
    /// Each with a second request hidden inside; one reading of it alone may come through, and never the hidden one.
    /// </summary>
    public static TheoryData<string, string> Smuggled => new()
    {
        { "both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { "two lengths", "Content-Length: 12\r\nContent-Length: 0\r\n\r\n" + Good },
        { "two lengths in one", "Content-Length: 12, 0\r\n\r\n" + Good },
        { "a length below zero", "Content-Length: -12\r\n\r\n" + Good },
        { "an encoding nobody knows", "Transfer-Encoding: xchunked\r\n\r\n" },
        { "an encoding with a tab", "Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n" },
        { "a name with a space", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" },
        { "a folded header", "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" },
        { "a bare line feed", "X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { "a chunk size that overflows", "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n" },
        { "a chunk size with a minus", "Transfer-Encoding: chunked\r\n\r\n-1\r\n" },
        { "a null in a header", "X-A: b\0c\r\nContent-Length: 0\r\n\r\n" },
    };

    [Theory]
    [MemberData(nameof(Smuggled))]
    public async Task A_hidden_request_never_reaches_an_engine(string what, string rest)
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h");
        const string hidden =
            "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                + "17\r\n\r\n{\"text\":\"hidden\"}";

        var answer = await RawAsync(
            gateway.Url, $"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{rest}{hidden}");

        Assert.DoesNotContain(spy.Seen, seen => seen.Text.Contains("hidden", StringComparison.Ordinal));
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.DoesNotContain("HTTP/1.1 200", answer);
    }

    [Theory]
    [InlineData("x-request-id", "abc\u0001def")]
    [InlineData("x-request-id", "abc def")]
    [InlineData("traceparent", "00-\u007f")]
    [InlineData("x-smg-routing-key", "a\tb")]
    public async Task Header_values_that_are_not_plain_break_no_request_to_an_engine(string name, string value)
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h");
        var answer = await RawAsync(gateway.Url,
            $"POST /generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{name}: "
                + $"{value}\r\nContent-Length: {Good.Length}\r\n\r\n{Good}");
        Assert.True(answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal)
            || answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal), answer);
        Assert.DoesNotContain("\r\n" + value + "\r\n", answer);
        Assert.All(spy.Seen, seen => Assert.False(seen.Headers.ContainsKey("injected")));
    }

    [Theory]
    [InlineData("""{"text":"x","rid":"a\r\nInjected: 1"}""")]
    [InlineData("""{"text":"x","model":"a\r\nInjected: 1"}""")]
    [InlineData("""{"text":"x","session_id":"a\r\nInjected: 1"}""")]
    public async Task Text_of_a_body_never_becomes_a_header(string body)
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h", o => o.StrictModel = true);
        using var client = new HttpClient { BaseAddress = gateway.Url };
        using var response = await client.PostAsync(
            new Uri("/generate", UriKind.Relative), new StringContent(body, Encoding.UTF8, "application/json"), Stage.Token);
        Assert.False(response.Headers.Contains("Injected"));
        Assert.All(spy.Seen, seen => Assert.False(seen.Headers.ContainsKey("Injected")));
    }

    [Fact]
    public async Task Heads_that_are_too_long_are_refused()
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h");
        var answer = await RawAsync(
            gateway.Url, $"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {new string('a', 64 * 1024)}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 431", answer);
        var line = await RawAsync(gateway.Url, $"GET /{new string('a', 16 * 1024)} HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 414", line);
    }

    [Theory]
    [InlineData("", "http://169.254.169.254", false)]
    [InlineData("", "http://[fe80::1]:30000", false)]
    [InlineData("", "http://[::ffff:169.254.169.254]:80", false)]
    [InlineData("", "http://0xa9fea9fe", false)]
    [InlineData("", "http://2852039166", false)]
    [InlineData("", "http://10.1.2.3:30000", true)]
    [InlineData("10.0.0.0/8", "http://10.1.2.3:30000", true)]
    [InlineData("10.0.0.0/8", "http://11.1.2.3:30000", false)]
    [InlineData("10.0.0.0/8", "http://[::ffff:10.1.2.3]:30000", true)]
    [InlineData("10.0.0.0/8", "http://localhost:30000", false)]
    [InlineData("localhost:30000", "http://localhost:30000", true)]
    [InlineData("localhost:30000", "http://localhost:30001", false)]
    [InlineData("*.gpu.example", "http://node1.gpu.example:30000", true)]
    [InlineData("*.gpu.example", "http://gpu.example.evil:30000", false)]
    [InlineData("169.254.0.0/16", "http://169.254.1.1:30000", true)]
    public async Task A_worker_may_only_be_where_the_list_allows(string list, string url, bool allowed)
    {
        var rules = new WorkerAllowList(list.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        var problem = await rules.CheckAsync(new Uri(url), Stage.Token);
        Assert.True(allowed == (problem is null), problem);
    }

    [Theory]
    [InlineData("POST", "/workers", """{"url":"http://169.254.169.254","worker_type":"regular"}""", "URL_NOT_ALLOWED")]
    [InlineData("POST", "/add_worker?url=http%3A%2F%2F169.254.169.254", null, "link-local")]
    public async Task A_forbidden_address_is_403_and_never_called(string method, string path, string? body, string words)
    {
        await using var stage = await ManagedStage.StartAsync();
        using var response = await stage.SendAsync(method, path, body);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains(words, await response.Content.ReadAsStringAsync(ManagedStage.Token));
        Assert.Empty(stage.Gateway.ControlPlane.Fleet.Workers);
    }

    /// <summary>Writes bytes and reads until the other side closes, or waits for more.</summary>
    private static async Task<string> RawAsync(Uri url, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, url.Port, Stage.Token);
        await using var stream = client.GetStream();
        using var answer = new MemoryStream();
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(request), Stage.Token);
            // Left open: a client that closed its half counts as gone, and what it sent would not be served for that reason.
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Stage.Token);
            limit.CancelAfter(TimeSpan.FromSeconds(3));
            await stream.CopyToAsync(answer, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Cut: that is an answer too.
        }
        return Encoding.Latin1.GetString(answer.ToArray());
    }
}
