using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rooms that are shared, too large, contradicted, or asked for too early.</summary>
public class F15ToF18Tests(ITestOutputHelper output)
{
    /// <summary>
    /// What would happen without unique rooms: an engine never brings the second request together (no error, no clock of its
    /// own).
    /// </summary>
    [Fact]
    public async Task F15_Two_live_requests_forced_onto_one_room_and_the_second_ends_by_our_clock()
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { FirstOutputTimeoutSecs = 2 });
        stage.ControlPlane.Forced.Enqueue(4711);
        stage.ControlPlane.Forced.Enqueue(4711);
        var wedge = stage.Prefill.Single().Faults.Add(new Fault(FaultKind.WedgePrefill));
        var first = stage.AskAsync("/generate", FaultStage.Body());
        await Stage.UntilAsync(() => stage.Prefill.Single().Stats.Occupied == 1);
        var second = stage.PostAsync("/generate", FaultStage.Body(prompt: "Another prompt"));
        await Stage.UntilAsync(() => stage.Prefill.Single().Stats.DuplicateRooms == 1);

        stage.Prefill.Single().Faults.Remove(wedge);

        Assert.Equal(FaultStage.Good, (string)(await first)["text"]!);
        using var late = await second;
        Assert.Equal(HttpStatusCode.GatewayTimeout, late.StatusCode);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task F15_A_second_registration_of_a_live_pairs_room_is_refused()
    {
        await using var stage = await FaultStage.StartAsync(
            engine: o => o with { DpSize = o.Role == EngineRole.Prefill ? 2 : 1 });
        var lease = (await stage.Plane.AcquireAsync(new PairRequest(), FaultStage.Token)).Lease!;
        var other = 1 - lease.PrefillRank;

        Assert.Equal(409, (await RegisterAsync(stage, lease.Room, other)).Status);
        Assert.Equal(200, (await RegisterAsync(stage, lease.Room, lease.PrefillRank)).Status);

        Assert.Equal($$"""{"{{lease.Room}}":{{lease.PrefillRank}}}""", (await QueryAsync(stage, lease.Room)).Text);
        Assert.Equal(1, stage.Plane.Rooms.Conflicts);
        stage.Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
        stage.Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
        await stage.FreeAsync();
        Assert.Equal("{}", (await QueryAsync(stage, lease.Room)).Text);
    }

    [Theory]
    [InlineData(1)]
    [InlineData((1L << 53) + 1)]
    [InlineData(long.MaxValue)]
    public async Task F16_Rooms_at_the_limits_bring_both_engines_together(long room)
    {
        await using var stage = await Stage.StartAsync();
        stage.ControlPlane.Forced.Enqueue(room);

        var answer = await stage.AskAsync("/generate", FaultStage.Body());

        Assert.Equal(FaultStage.Good, (string)answer["text"]!);
        Assert.Equal(room, Assert.Single(stage.ControlPlane.Leases).Room);
        await stage.EmptyAsync();
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Theory]
    [InlineData("1", 200)]
    [InlineData("9007199254740993", 200)]
    [InlineData("9223372036854775807", 200)]
    [InlineData("9223372036854775808", 400)]
    [InlineData("-1", 400)]
    public async Task F16_Rooms_are_registered_to_the_last_digit_or_refused(string room, int status)
    {
        await using var stage = await FaultStage.StartAsync();

        Assert.Equal(status, (await RegisterAsync(stage, room, 3)).Status);

        var asked = await QueryAsync(stage, room);
        Assert.Equal(status, asked.Status);
        if (status == 200)
            Assert.Equal($$"""{"{{room}}":3}""", asked.Text);
    }

    [Fact]
    public async Task F17_Another_rank_for_the_same_room_is_refused_and_seen_in_the_metrics()
    {
        await using var stage = await FaultStage.StartAsync();
        Assert.Equal(200, (await RegisterAsync(stage, 17, 3)).Status);

        var refused = await RegisterAsync(stage, 17, 2);

        Assert.Equal(409, refused.Status);
        Assert.Equal("room_conflict", (string?)JsonNode.Parse(refused.Text)!["error"]!["code"]);
        Assert.Equal("""{"17":3}""", (await QueryAsync(stage, 17)).Text);
        Assert.Contains("orleanspd_gateway_room_conflicts_total 1\n", await stage.Client.GetStringAsync(
            "/metrics", FaultStage.Token));
    }

    [Fact]
    public async Task F18_Decode_asks_before_the_prefill_has_registered()
    {
        // Engines choose their ranks and find each other through the gateway's address.
        await using var stage = await FaultStage.StartAsync(
            gateway: o =>
            {
                o.ControlPlane.DpRanks = DpRankMode.Engine;
                o.ControlPlane.BootstrapFacade = true;
                o.ControlPlane.FacadeHost = "127.0.0.1";
            },
            engine: o => o.Role == EngineRole.Prefill ? o with { DpSize = 2, LoadBalanceMethod = "round_robin" } : o);
        var registered = stage.Plane.Rooms.Registered;
        // The prefill takes up the request only when the decode has asked in vain for a while.
        stage.Prefill.Faults.Add(new Fault(FaultKind.Hang) { Count = 1, Delay = TimeSpan.FromMilliseconds(300) });
        var sent = Stopwatch.GetTimestamp();

        Assert.Equal("{}", (await QueryAsync(stage, 17)).Text);
        var reply = await stage.PostAsync("/generate", FaultStage.Body());

        Assert.Equal(FaultStage.Good, reply.GoodText());
        output.WriteLine($"from the request to the answer: {Stopwatch.GetElapsedTime(sent).TotalMilliseconds:0} ms");
        Assert.Single((await stage.ToldAsync(reply.Id)).Attempts);
        Assert.Equal(registered + 1, stage.Plane.Rooms.Registered);
        await stage.FreeAsync();
    }

    private static Task<(int Status, string Text)> RegisterAsync(FaultStage stage, object room, int rank) =>
        CallAsync(stage, "/register_dp_rank", $$"""{"bootstrap_room":{{room}},"dp_rank":{{rank}}}""");

    private static Task<(int Status, string Text)> QueryAsync(FaultStage stage, object room) =>
        CallAsync(stage, "/query_dp_ranks", $$"""{"bootstrap_rooms":[{{room}}]}""");

    private static async Task<(int Status, string Text)> CallAsync(FaultStage stage, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await stage.Client.PostAsync(path, content, FaultStage.Token);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(FaultStage.Token));
    }
}
