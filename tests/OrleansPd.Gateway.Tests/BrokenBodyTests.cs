using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

/// <summary>
/// A client that breaks its body or its connection is at fault on every route: the gateway answers in OpenAI's shape where it
/// can, and never counts the failure as its own (the alert GatewayErrorRatio counts those).
/// </summary>
public sealed class BrokenBodyTests
{
    private const string Begun = """{"te""";

    [Theory]
    [InlineData("/generate")]
    [InlineData("/v1/embeddings")]
    [InlineData("/rerank")]
    public async Task A_badly_framed_body_is_the_client_s_400(string path)
    {
        await using var stage = await Stage.StartAsync(regular: 1);

        using var client = await SendAsync(stage, path, "Transfer-Encoding: chunked", "zz\r\n");
        var answer = await ReadAsync(client);

        Assert.StartsWith("HTTP/1.1 400", answer);
        var json = answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)];
        var error = JsonNode.Parse(json)!["error"]!;
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.NotEmpty((string)error["message"]!);
        var line = Assert.Single(await MetricsAsync(stage, path));
        Assert.Contains("reason=\"bad_request\",side=\"client\"", line);
    }

    [Theory]
    [InlineData("/generate", true)]
    [InlineData("/generate", false)]
    [InlineData("/v1/embeddings", true)]
    [InlineData("/v1/embeddings", false)]
    public async Task A_connection_that_ends_in_the_body_is_the_client_s_fault(string path, bool reset)
    {
        await using var stage = await Stage.StartAsync(regular: 1);

        var client = await SendAsync(stage, path, "Content-Length: 64", Begun);
        await Stage.UntilAsync(() => stage.Gateway.Metrics.Active == 1);
        client.LingerState = new LingerOption(reset, 0);
        client.Dispose();

        var line = Assert.Single(await MetricsAsync(stage, path));
        Assert.Contains("side=\"client\"", line);
    }

    private static async Task<TcpClient> SendAsync(Stage stage, string path, string length, string body)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, stage.Gateway.Url.Port, Stage.Token);
        var request = $"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n{body}";
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request), Stage.Token);
        return client;
    }

    private static async Task<string> ReadAsync(TcpClient client)
    {
        using var answer = new MemoryStream();
        try
        {
            await client.GetStream().CopyToAsync(answer, Stage.Token);
        }
        catch (IOException)
        {
            // Reset by the server: what it wrote before is the answer.
        }
        return Encoding.Latin1.GetString(answer.ToArray());
    }

    /// <summary>The counters of a route's requests, once the request has ended.</summary>
    private static async Task<string[]> MetricsAsync(Stage stage, string path)
    {
        await Stage.UntilAsync(() => stage.Gateway.Metrics.Active == 0);
        var text = await stage.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative), Stage.Token);
        return [.. text.Split('\n').Where(l =>
            l.StartsWith("orleanspd_gateway_requests_total{", StringComparison.Ordinal) && l.Contains($"\"{path}\""))];
    }
}
