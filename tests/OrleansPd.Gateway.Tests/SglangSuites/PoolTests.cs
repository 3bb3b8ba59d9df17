using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>
/// Start, data parallelism, and what the test suites of SGLang's own gateways assert.
/// </summary>
public sealed class PoolTests
{
    private static readonly string[] Methods = ["auto", "follow_bootstrap_room", "round_robin", "total_requests", "total_tokens"];

    public static TheoryData<string, string> AllPairs => new(Methods.SelectMany(p => Methods.Select(d => (p, d))));

    /// <summary>
    /// With the gateway choosing ranks, and with engines that choose and ask each other past a router that knows nothing.
    /// </summary>
    [Theory]
    [MemberData(nameof(AllPairs))]
    public async Task Every_pair_of_load_balance_methods_serves(string prefill, string decode)
    {
        foreach (var recipe in (DpRankMode[])[DpRankMode.Explicit, DpRankMode.Engine])
        {
            var options = new GatewayOptions { ControlPlane = new ControlPlaneOptions { DpRanks = recipe } };
            await using var stage = await Suite.StartAsync(1, 1, 0, options: options, engine: o => o with
            {
                DpSize = 4,
                LoadBalanceMethod = o.Role == EngineRole.Prefill ? prefill : decode,
            });
            var answers = await Task.WhenAll(
                Enumerable.Range(0, 8).Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"Rank {i}", 3))));
            Assert.All(answers, answer => Assert.True(answer.Status == 200, $"{recipe}: {answer.Status} {answer.Body}"));
            Assert.All(stage.Prefill.Concat(stage.Decode), engine => Assert.Empty(engine.Stats.RouterErrors));
        }
    }

    [Fact]
    public async Task Health_is_200_before_any_engine_is_up_and_the_gateway_serves_when_they_are()
    {
        await using var prefill = await SimulatedEngine.StartAsync(
            new() { Role = EngineRole.Prefill, Speed = 0 }, ct: LiveStage.Token);
        await using var decode = await SimulatedEngine.StartAsync(
            new() { Role = EngineRole.Decode, Speed = 0 }, ct: LiveStage.Token);
        await prefill.KillAsync();
        await decode.KillAsync();
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        options.ControlPlane.Workers.Add(new WorkerSpec { Url = prefill.Url, Role = WorkerRole.Prefill });
        options.ControlPlane.Workers.Add(new WorkerSpec { Url = decode.Url, Role = WorkerRole.Decode });
        await using var gateway = await StandaloneGateway.StartAsync(options, cancellationToken: LiveStage.Token);
        using var client = new HttpClient { BaseAddress = gateway.Url };

        Assert.Equal(HttpStatusCode.OK, (
            await client.GetAsync(new Uri("/health", UriKind.Relative), LiveStage.Token)).StatusCode);
        await prefill.RestartAsync(LiveStage.Token);
        await decode.RestartAsync(LiveStage.Token);
        await LiveStage.UntilAsync(() => gateway.ControlPlane.Fleet.IsReady, TimeSpan.FromSeconds(60));
        Assert.Equal(HttpStatusCode.OK, (
            await client.GetAsync(new Uri("/health_generate", UriKind.Relative), LiveStage.Token)).StatusCode);
    }

    /// <summary>
    /// Parity suites kill a server on the router's port with connections open, and start the router there seconds later.
    /// </summary>
    [Fact]
    public async Task The_port_of_a_server_that_was_just_killed_can_be_had()
    {
        using var former = new TcpListener(IPAddress.Loopback, 0);
        former.Start();
        var port = ((IPEndPoint)former.LocalEndpoint).Port;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, LiveStage.Token);
        // Closed from the server's side first: its half of the connection stays behind in TIME_WAIT.
        (await former.AcceptTcpClientAsync(LiveStage.Token)).Dispose();
        former.Stop();

        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = port }, cancellationToken: LiveStage.Token);
        Assert.Equal(port, gateway.Url.Port);
    }

    [Fact]
    public async Task With_one_failing_and_one_healthy_decode_the_client_sees_200()
    {
        var options = new GatewayOptions { ControlPlane = new ControlPlaneOptions { Policy = "round_robin" } };
        await using var stage = await Suite.StartAsync(2, 2, 0, options: options);
        stage.Decode[0].Faults.Add(new Fault(FaultKind.Status) { Status = 500 });
        for (var i = 0; i < 20; i++)
            await Suite.GoodAsync(stage, "/generate", Suite.Generate($"Turn {i}", 2));
    }

    [Fact]
    public async Task The_bootstrap_port_is_that_of_the_chosen_prefill()
    {
        var options = new GatewayOptions { ControlPlane = new ControlPlaneOptions { Policy = "round_robin" } };
        await using var stage = await Suite.StartAsync(3, 2, 0, options: options);
        Assert.Equal(3, stage.Prefill.Select(p => p.BootstrapPort).Distinct().Count());
        for (var i = 0; i < 12; i++)
            await Suite.GoodAsync(stage, "/generate", Suite.Generate($"Turn {i}", 2));
        // A wrong one would be a room that its prefill never hears of.
        Assert.All(stage.Prefill, p => Assert.True(p.Stats.RequestsTotal >= 4));
        Assert.All(stage.Prefill.Concat(stage.Decode), engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Theory]
    [InlineData(WorkerRole.Decode, "no_prefill_workers_available")]
    [InlineData(WorkerRole.Prefill, "no_decode_workers_available")]
    [InlineData(null, "no_healthy_workers")]
    public async Task A_pool_that_is_missing_is_named_in_header_and_body(WorkerRole? only, string code)
    {
        await using var stage = await ManagedStage.StartAsync();
        if (only is { } role)
        {
            // One engine of the other role is needed to prove this one; then it goes.
            var (_, kept) = await stage.WorkerAsync(role == WorkerRole.Decode ? EngineRole.Decode : EngineRole.Prefill);
            var (_, gone) = await stage.WorkerAsync(role == WorkerRole.Decode ? EngineRole.Prefill : EngineRole.Decode);
            await stage.ReadyAsync(kept, gone);
            await stage.CallAsync("DELETE", $"/workers/{gone}?force=true");
        }
        using var response = await stage.SendAsync(
            "POST", "/v1/chat/completions", """{"model":"default","messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(code, response.Headers.GetValues("x-router-error-code").Single());
        Assert.Equal(code, (
            string)JsonNode.Parse(await response.Content.ReadAsStringAsync(ManagedStage.Token))!["error"]!["code"]!);
    }

    [Fact]
    public async Task A_prefill_error_stays_unseen_while_decode_answers_well()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        // Its KV is away; only then its answer breaks.
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.ResetMidStream) { Count = 1 });
        var answer = await Suite.StreamAsync(stage, "/generate", Suite.Generate("Well", 6, ""","stream":true"""));
        Assert.Equal(ReferenceModel.Complete("Well", 6, new Sampling { IgnoreEos = true }), (string)answer[^1]["text"]!);
    }
}
