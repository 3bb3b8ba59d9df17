using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Standalone;

public sealed class FacadeTests
{
    private const string Sentinel = "/route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1";
    private const string RankOne = "/route?prefill_dp_rank=1&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0";
    private static readonly string Good = ReferenceModel.Complete("The capital of France", 8, new Sampling { IgnoreEos = true });
    private readonly HttpClient _http = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Decode_legs_name_the_facade_and_prefill_legs_the_real_server()
    {
        await using var stage = await StartAsync();
        Assert.Equal(Good, await AskAsync(stage));
        await Stage.UntilAsync(() => stage.Gateway.Requests.Recent().Any());
        var lease = stage.Gateway.Requests.Recent().First().Calls[0].Attempts[0].Lease;
        Assert.Equal(stage.Prefill[0].BootstrapPort, lease.PrefillTarget.BootstrapPort);
        Assert.Equal(stage.SnapshotOf(stage.Prefill[0]).FacadePort, lease.DecodeTarget.BootstrapPort);
        Assert.NotEqual(lease.PrefillTarget.BootstrapPort, lease.DecodeTarget.BootstrapPort);
        Assert.Equal("127.0.0.1", lease.DecodeTarget.BootstrapHost);
    }

    [Fact]
    public async Task Routes_are_passed_on_byte_for_byte_but_for_the_port_that_only_the_engine_has()
    {
        await using var stage = await StartAsync(dp: 2);
        var real = await GetAsync(Real(stage) + Sentinel);
        var shown = await GetAsync(Facade(stage) + Sentinel);
        Assert.Equal(real with
        {
            Body = real.Body.Replace(
            $"\"prefill_http_port\":{stage.Prefill[0].Port}", "\"prefill_http_port\":null")
        }, shown);
        Assert.NotEqual(real, shown);
        foreach (var path in new[] { RankOne, "/route",
            "/route?prefill_dp_rank=9&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0" })
        {
            Assert.Equal(await GetAsync(Real(stage) + path), await GetAsync(Facade(stage) + path));
        }
        Assert.Equal((200, "OK"), Short(await GetAsync(Facade(stage) + "/health")));
        Assert.Equal(404, (await GetAsync(Facade(stage) + "/generate")).Status);
        Assert.Equal(405, await StatusAsync(HttpMethod.Put, Facade(stage) + "/route", "{}"));
    }

    [Fact]
    public async Task What_was_learned_once_is_answered_without_the_engine()
    {
        await using var stage = await StartAsync(dp: 2);
        var before = await GetAsync(Facade(stage) + RankOne);
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.BootstrapDown));
        Assert.Equal(before, await GetAsync(Facade(stage) + RankOne));
        Assert.Equal(200, (await GetAsync(Facade(stage) + Sentinel)).Status);
        Assert.Equal(503, (await GetAsync(
            Facade(stage) + "/route?prefill_dp_rank=1&prefill_cp_rank=0&target_tp_rank=1&target_pp_rank=0")).Status);
        stage.Prefill[0].Faults.Clear();
    }

    [Fact]
    public async Task Rooms_are_answered_from_the_own_table_first_and_then_from_the_engines()
    {
        await using var stage = await StartAsync(dp: 2);
        Assert.Equal(200, await StatusAsync(
            HttpMethod.Post, Facade(stage) + "/register_dp_rank", """{"bootstrap_room":17,"dp_rank":1}"""));
        Assert.Equal(409, await StatusAsync(
            HttpMethod.Post, Facade(stage) + "/register_dp_rank", """{"bootstrap_room":"17","dp_rank":0}"""));
        Assert.Equal(400, await StatusAsync(HttpMethod.Post, Facade(stage) + "/register_dp_rank", "{}"));
        Assert.Equal(200, await StatusAsync(
            HttpMethod.Post, Real(stage) + "/register_dp_rank", """{"bootstrap_room":18,"dp_rank":1}"""));
        Assert.Equal(200, await StatusAsync(
            HttpMethod.Post, Real(stage) + "/register_dp_rank", """{"bootstrap_room":17,"dp_rank":0}"""));
        Assert.Equal("""{"17":1,"18":1}""", await TextAsync(
            HttpMethod.Post, Facade(stage) + "/query_dp_ranks", """{"bootstrap_rooms":[17,18,19]}"""));
        Assert.Equal("{}", await TextAsync(HttpMethod.Post, Facade(stage) + "/query_dp_ranks", """{"bootstrap_rooms":[19]}"""));
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.BootstrapDown));
        Assert.Equal("""{"17":1,"18":1}""", await TextAsync(
            HttpMethod.Post, Facade(stage) + "/query_dp_ranks", """{"bootstrap_rooms":[17,18,19]}"""));
        stage.Prefill[0].Faults.Clear();
    }

    [Fact]
    public async Task Engines_that_choose_their_ranks_find_each_other_through_it()
    {
        await using var stage = await StartAsync(dp: 4, ranks: DpRankMode.Engine, balance: "round_robin");
        for (var i = 0; i < 12; i++)
            Assert.Equal(Good, await AskAsync(stage));
        var rooms = stage.Gateway.ControlPlane.Rooms;
        Assert.True(rooms.Registered >= 12, $"{rooms}");
        Assert.Equal(0, rooms.Conflicts);
    }

    [Fact]
    public async Task A_restarted_prefill_serves_at_once_under_a_new_address_and_the_old_one_says_that_it_is_over()
    {
        await using var stage = await StartAsync(hold: 3600);
        Assert.Equal(Good, await AskAsync(stage));
        var old = Facade(stage);
        await stage.Prefill[0].RestartAsync(Token);
        await LiveStage.UntilAsync(
            () => stage.SnapshotOf(stage.Prefill[0]) is { Epoch: 2, Phase: WorkerPhase.Ready }, TimeSpan.FromSeconds(20));
        Assert.NotEqual(old, Facade(stage));
        Assert.Equal(503, (await GetAsync(old + "/health")).Status);
        Assert.Equal(503, (await GetAsync(old + Sentinel)).Status);
        Assert.Equal(503, await StatusAsync(HttpMethod.Post, old + "/query_dp_ranks", """{"bootstrap_rooms":[1]}"""));
        Assert.Equal(Good, await AskAsync(stage));
    }

    /// <summary>
    /// The API is gone while the bootstrap server answers still: only the gateway can tell decodes that it is dead.
    /// </summary>
    [Fact]
    public async Task Rooms_of_a_prefill_that_the_gateway_finds_dead_fail_on_the_decode_within_its_heartbeats()
    {
        await using var stage = await StartAsync(heartbeat: TimeSpan.FromMilliseconds(200));
        var facade = new Uri(Facade(stage));
        // A room whose prefill leg never comes: alone it would wait for ever, as its clock starts with the prefill's first word.
        var orphan = stage.Client.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, new Uri(stage.Decode[0].Url, "/generate"))
            {
                Content = new StringContent(
                    $$"""{"text":"x","sampling_params":{"max_new_tokens":4},"bootstrap_host":"127.0.0.1","bootstrap_port":{{facade.Port}},"bootstrap_room":4711}""",
                    Encoding.UTF8, "application/json"),
            },
            Token);
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.LiveRequests == 1, TimeSpan.FromSeconds(5));
        Assert.False(orphan.IsCompleted);
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.Refuse));
        using var answer = await orphan.WaitAsync(TimeSpan.FromSeconds(20), Token);
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("Lost connection with prefill instance", await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal(200, (await GetAsync(Real(stage) + "/health")).Status);
        stage.Prefill[0].Faults.Clear();
        await LiveStage.UntilAsync(() => stage.SnapshotOf(stage.Prefill[0]).Phase == WorkerPhase.Ready, TimeSpan.FromSeconds(20));
        Assert.Equal(200, (await GetAsync(facade + "health")).Status);
        Assert.Equal(Good, await AskAsync(stage));
    }

    [Fact]
    public async Task Ports_come_from_the_range_and_a_taken_one_is_passed_over()
    {
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var first = ((IPEndPoint)taken.LocalEndpoint).Port;
        await using var stage = await StartAsync(ports: $"{first}-{first + 40}");
        Assert.InRange(stage.SnapshotOf(stage.Prefill[0]).FacadePort!.Value, first + 1, first + 40);
    }

    [Theory]
    [InlineData("9000-10000")]
    [InlineData("20000")]
    [InlineData("20010-20000")]
    [InlineData("0-9")]
    [InlineData("a-b")]
    public void A_range_that_cannot_be_is_refused(string range) => Assert.Throws<ArgumentException>(() => PortRange.Parse(range));

    [Fact]
    public async Task Without_an_address_for_decode_engines_the_gateway_does_not_start()
    {
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        options.ControlPlane.BootstrapFacade = true;
        await Assert.ThrowsAsync<ArgumentException>(() => StandaloneGateway.StartAsync(options, cancellationToken: Token));
    }

    private static Task<LiveStage> StartAsync(
        int dp = 1, DpRankMode ranks =
            DpRankMode.Explicit, string balance = "auto", int hold = 15, TimeSpan? heartbeat = null, string? ports = null)
    {
        var options = new GatewayOptions();
        options.ControlPlane.Policy = "round_robin";
        options.ControlPlane.DpRanks = ranks;
        options.ControlPlane.BootstrapFacade = true;
        options.ControlPlane.FacadeHost = "127.0.0.1";
        options.ControlPlane.FacadePortRange = ports;
        options.ControlPlane.LivenessIntervalSecs = 1;
        options.ControlPlane.DescribeIntervalSecs = 1;
        options.ControlPlane.PrefillRestartHoldSecs = hold;
        return LiveStage.StartAsync(1, 1, options, engine => engine with
        {
            Speed = 0,
            DpSize = engine.Role == EngineRole.Prefill ? dp : 1,
            LoadBalanceMethod = engine.Role == EngineRole.Prefill ? balance : "auto",
            HeartbeatInterval = heartbeat ?? TimeSpan.FromSeconds(5),
        });
    }

    private static string Facade(LiveStage stage) => $"http://127.0.0.1:{stage.SnapshotOf(stage.Prefill[0]).FacadePort}";

    private static string Real(LiveStage stage) => $"http://127.0.0.1:{stage.Prefill[0].BootstrapPort}";

    private static async Task<string> AskAsync(LiveStage stage)
    {
        using var content = new StringContent(
            """{"text":"The capital of France","sampling_params":{"max_new_tokens":8,"ignore_eos":true}}""", Encoding.UTF8,
            "application/json");
        using var response = await stage.Client.PostAsync("/generate", content, Token);
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return (string)JsonNode.Parse(text)!["text"]!;
    }

    private static (int, string) Short(Reply reply) => (reply.Status, reply.Body);

    private async Task<Reply> GetAsync(string url)
    {
        using var response = await _http.GetAsync(url, Token);
        return new Reply((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(
            ), await response.Content.ReadAsStringAsync(Token));
    }

    private async Task<int> StatusAsync(HttpMethod method, string url, string body) =>
        (await SendAsync(method, url, body)).Status;

    private async Task<string> TextAsync(HttpMethod method, string url, string body) => (await SendAsync(method, url, body)).Body;

    private async Task<Reply> SendAsync(HttpMethod method, string url, string body)
    {
        using var request = new HttpRequestMessage(
            method, url)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using var response = await _http.SendAsync(request, Token);
        return new Reply((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(
            ), await response.Content.ReadAsStringAsync(Token));
    }

    private sealed record Reply(int Status, string? ContentType, string Body);
}
