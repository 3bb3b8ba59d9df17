using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Server.Tests.Processes;

/// <summary>How a real gateway process ends, and begins again.</summary>
public sealed class GatewayProcessTests(ITestOutputHelper output) : IAsyncLifetime
{
    private SimulatedEngine _prefill = null!;
    private SimulatedEngine _decode = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "SIGTERM is a word of Unix");
        // Slow enough that a request is still running when the signal comes.
        _prefill = await StartAsync(EngineRole.Prefill);
        _decode = await StartAsync(EngineRole.Decode);
    }

    public async ValueTask DisposeAsync()
    {
        await (_prefill?.DisposeAsync() ?? default);
        await (_decode?.DisposeAsync() ?? default);
    }

    [Fact]
    public async Task After_SIGTERM_it_says_that_it_is_not_ready_takes_requests_for_a_moment_ends_what_runs_and_exits_with_0()
    {
        await using var gateway = await StartGatewayAsync("--shutdown-delay-secs", "2", "--shutdown-grace-period-secs", "60");
        var running = AskAsync(gateway, 600);
        await gateway.UntilAsync(() => Task.FromResult(_decode.Stats.Running == 1), "the request runs");

        gateway.Terminate();
        await gateway.UntilAsync(async () => await gateway.StatusAsync("/readiness") == 503, "it says that it is not ready");
        var late = await AskAsync(gateway, 3);

        Assert.Equal((HttpStatusCode.OK, Expected(3)), late);
        Assert.Equal((HttpStatusCode.OK, Expected(600)), await running);
        Assert.Equal(0, await gateway.ExitCodeAsync());
        Assert.Equal(0, await gateway.StatusAsync("/health"));
        AssertFree();
    }

    [Fact]
    public async Task What_does_not_end_within_the_grace_is_aborted_on_the_engines_and_the_exit_code_is_0()
    {
        await using var gateway = await StartGatewayAsync("--shutdown-grace-period-secs", "1");
        using var content = Request(100_000, stream: true);
        using var message = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = content };
        using var response = await gateway.Client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, Token);
        await gateway.UntilAsync(() => Task.FromResult(_decode.Stats.Running == 1), "the request runs");

        var clock = Stopwatch.StartNew();
        gateway.Terminate();
        var lines = (await response.Content.ReadAsStringAsync(Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("data: [DONE]", lines[^1]);
        Assert.Equal("The gateway is stopping.", (string)JsonNode.Parse(lines[^2]["data: ".Length..])!["error"]!["message"]!);
        Assert.Equal(0, await gateway.ExitCodeAsync());
        output.WriteLine($"gone {clock.ElapsedMilliseconds} ms after SIGTERM, of which 1000 were the grace");
        Assert.InRange(clock.Elapsed.TotalSeconds, 1, 30);
        await gateway.UntilAsync(() => Task.FromResult(_decode.Stats.LiveRequests == 0), "decode is free");
        AssertFree();
    }

    [Fact]
    public async Task After_kill_9_the_engines_free_themselves_and_the_next_life_uses_no_room_or_id_of_the_former_one()
    {
        await using (var gateway = await StartGatewayAsync())
        {
            Assert.Equal((HttpStatusCode.OK, Expected(3)), await AskAsync(gateway, 3));
            var cut = Enumerable.Range(0, 8).Select(_ => AskAsync(gateway, 100_000)).ToArray();
            await gateway.UntilAsync(() => Task.FromResult(_decode.Stats.Running == 8), "eight run");
            await gateway.KillAsync();
            foreach (var lost in cut)
                await Assert.ThrowsAsync<HttpRequestException>(() => lost);
        }
        await using var next = await StartGatewayAsync();
        // The engines have seen that their client is gone; nobody had to tell them.
        await next.UntilAsync(
            () => Task.FromResult(_decode.Stats.LiveRequests + _prefill.Stats.LiveRequests == 0), "the engines are free");
        foreach (var reply in await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => AskAsync(next, 3))))
            Assert.Equal((HttpStatusCode.OK, Expected(3)), reply);
        AssertFree(); // a room of the former life would be told as one that was used twice
    }

    [Fact]
    public async Task The_log_has_a_line_for_each_change_of_a_worker()
    {
        await using var gateway = await StartGatewayAsync();
        gateway.Terminate();
        Assert.Equal(0, await gateway.ExitCodeAsync());

        Assert.Matches($@"(?m)^\S+ \S+Z info: .*Prefill worker {_prefill.Url.GetLeftPart(UriPartial.Authority)}.* -> Ready",
            gateway.Said);
    }

    [Fact]
    public async Task With_log_format_json_each_line_is_an_object_with_its_values()
    {
        await using var gateway = await StartGatewayAsync("--log-format", "json");
        gateway.Terminate();
        Assert.Equal(0, await gateway.ExitCodeAsync());

        var lines = gateway.Said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.StartsWith('{'))
            .Select(line => JsonNode.Parse(line)!);
        var listening = Assert.Single(lines, line => ((string?)line["State"]?["{OriginalFormat}"])?.Contains("{Url}") == true
            && (string?)line["Category"] == "OrleansPd.Gateway.Hosting.GatewayServer");
        Assert.Equal("Information", (string?)listening["LogLevel"]);
        Assert.StartsWith("http://127.0.0.1:", (string?)listening["State"]!["Url"]);
    }

    [Fact]
    public async Task With_log_level_warn_a_healthy_gateway_logs_nothing()
    {
        await using var gateway = await StartGatewayAsync("--log-level", "warn");
        gateway.Terminate();
        Assert.Equal(0, await gateway.ExitCodeAsync());

        Assert.StartsWith("orleanspd gateway on ", Assert.Single(
            gateway.Said.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task A_log_that_is_not_read_does_not_stop_the_gateway()
    {
        await using var gateway = await StartGatewayAsync(readErrors: false, "--log-level", "trace");
        // Far more lines than a pipe and the queue hold.
        for (var i = 0; i < 2000; i++)
            Assert.Equal(200, await gateway.StatusAsync("/health"));

        Assert.Equal((HttpStatusCode.OK, Expected(3)), await AskAsync(gateway, 3));
    }

    private static Task<SimulatedEngine> StartAsync(EngineRole role) => SimulatedEngine.StartAsync(
        new()
        {
            Role = role,
            Speed = 10,
            ContextLength = 1_000_000,
            TokenCapacity = 4_000_000,
            DisconnectPoll = TimeSpan.FromMilliseconds(200)
        }, ct: Token);

    private Task<GatewayProcess> StartGatewayAsync(params string[] more) => StartGatewayAsync(readErrors: true, more);

    private async Task<GatewayProcess> StartGatewayAsync(bool readErrors, params string[] more)
    {
        var gateway = await GatewayProcess.StartAsync(
            readErrors, ["--prefill", _prefill.Url.ToString(), "--decode", _decode.Url.ToString(), .. more]);
        await gateway.ReadyAsync();
        return gateway;
    }

    private static string Expected(int tokens) => ReferenceModel.Complete("the river", tokens, new() { IgnoreEos = true });

    private static StringContent Request(int tokens, bool stream = false) => new(new JsonObject
    {
        ["text"] = "the river",
        ["stream"] = stream,
        ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens, ["ignore_eos"] = true },
    }.ToJsonString(), Encoding.UTF8, "application/json");

    private static async Task<(HttpStatusCode Status, string Text)> AskAsync(GatewayProcess gateway, int tokens)
    {
        using var content = Request(tokens);
        using var response = await gateway.Client.PostAsync("/generate", content, Token);
        var body = await response.Content.ReadAsStringAsync(Token);
        return (response.StatusCode, (string?)JsonNode.Parse(body)!["text"] ?? body);
    }

    private void AssertFree()
    {
        Assert.Equal((0, 0), (_decode.Stats.LiveRequests, _decode.Stats.Occupied));
        Assert.Empty(_decode.Stats.RouterErrors);
        Assert.Empty(_prefill.Stats.RouterErrors);
        Assert.Equal((0, 0), (_decode.Stats.DuplicateRooms, _prefill.Stats.DuplicateRooms));
    }
}
