using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>The first steps of a user with a cluster.</summary>
[Collection(ProcessTests.Name)]
public class DevTests
{
    [Fact]
    public async Task It_runs_without_Redis_and_ends_with_Ctrl_C()
    {
        await using var dev = await DevProcess.StartAsync("--port", "0", "--redis", "none", "--silos", "2");
        Assert.Contains("orleanspd dev: 2 silos without Redis (as requested)", dev.Output);
        await AnswersEverywhereAsync(dev, 2);
        await EndsAsync(dev);
    }

    [Fact]
    public async Task It_runs_on_a_Redis_and_leaves_nothing_there()
    {
        await using var redis = await RedisProcess.StartAsync();
        await using var connection = await redis.ConnectAsync();
        await connection.GetDatabase().StringSetAsync("other", "stays");
        await using var dev = await DevProcess.StartAsync("--port", "0", "--redis", redis.Address);
        Assert.Contains($"orleanspd dev: 3 silos on Redis at {redis.Address}", dev.Output);
        Assert.Single(dev.Output, line => Regex.IsMatch(
            line, $@"^\.NET services connect with cluster id (dev-\d+-\d+), service id \1, Redis {redis.Address}, gateways( 127\.0\.0\.1:\d+){{3}}$"));
        var server = connection.GetServer(redis.Address);
        Assert.Contains(server.Keys(), key => key.ToString().StartsWith("dev-", StringComparison.Ordinal));
        await AnswersEverywhereAsync(dev, 3);
        await EndsAsync(dev);
        Assert.Equal(["other"], server.Keys().Select(key => key.ToString()));
    }

    [Fact]
    public async Task A_request_that_runs_does_not_keep_it_from_ending()
    {
        await using var dev = await DevProcess.StartAsync("--port", "0", "--redis", "none", "--silos", "2");
        using var client = new HttpClient { BaseAddress = dev.Gateways[0] };
        using var request = new HttpRequestMessage(HttpMethod.Post, "generate") { Content = Body(100_000, stream: true) };
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ClusterStage.Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await EndsAsync(dev);
    }

    [Theory]
    [InlineData(1, "--port 0 --redis 127.0.0.1:1",
        "error: Redis at 127.0.0.1:1 does not answer: start it, or name another with --redis.")]
    [InlineData(2, "--silos 0", "--silos")]
    [InlineData(2, "--log-level loud", "--log-level: 'loud' is not debug, info, warn or error.")]
    [InlineData(2, "--prefill http://127.0.0.1:1", "Unrecognized command or argument '--prefill'")]
    public async Task Bad_input_is_reported_in_a_sentence(int code, string flags, string problem)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        var (ended, output) = await SiloProcess.RunAsync(["dev", .. flags.Split(' ')]);
        Assert.Equal(code, ended);
        Assert.Contains(problem, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_is_named()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (code, output) = await SiloProcess.RunAsync("dev", "--port", $"{port}", "--redis", "none");
        Assert.Equal(1, code);
        Assert.Contains(
            $"error: port {port} on 127.0.0.1 is taken by another process: stop that one, or choose another port with --port",
            output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    /// <summary>Without a wait: it has reported to be ready.</summary>
    private static async Task AnswersEverywhereAsync(DevProcess dev, int gateways)
    {
        Assert.Equal(gateways, dev.Gateways.Count);
        using var client = new HttpClient();
        foreach (var gateway in dev.Gateways)
        {
            using var answer = await client.PostAsync(new Uri(gateway, "generate"), Body(4, stream: false), ClusterStage.Token);
            var text = await answer.Content.ReadAsStringAsync(ClusterStage.Token);
            Assert.True(answer.IsSuccessStatusCode, text);
            Assert.NotEmpty(JsonNode.Parse(text)!["text"]!.GetValue<string>());
        }
    }

    private static async Task EndsAsync(DevProcess dev)
    {
        var (code, errors) = await dev.BreakAsync();
        Assert.Equal(0, code);
        Assert.Equal("", errors);
    }

    private static StringContent Body(int tokens, bool stream) => new(
        $$$"""
        {"text":"hello","stream":{{{(stream ? "true" : "false")}}},"sampling_params":{"max_new_tokens":{{{tokens}}},"ignore_eos":true}}
        """,
        Encoding.UTF8, "application/json");
}
