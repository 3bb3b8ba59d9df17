using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rows F21, F22, F24 and F25 of the fault matrix: data-parallel ranks.</summary>
public sealed class RankFaultTests
{
    [Fact]
    public async Task F21_with_one_rank_nobody_asks_or_tells_the_registry_anything()
    {
        await using var stage = await FacadeAsync(prefillDp: 1, "round_robin");
        await AskAsync(stage, 20);
        await LiveStage.UntilAsync(() => stage.Gateway.Requests.Recent().Count() == 20, TimeSpan.FromSeconds(10));
        Assert.Equal((0L, 0L), (stage.Gateway.ControlPlane.Rooms.Registered, stage.Gateway.ControlPlane.Rooms.Entered));
        Assert.Equal(0, await RegisteredAsync(
            stage, stage.Gateway.Requests.Recent().Select(r => r.Calls[0].Attempts[0].Lease.Room)));
    }

    [Fact]
    public async Task F21_with_several_ranks_that_the_engine_chooses_the_registry_is_used_so_the_test_above_can_fail()
    {
        await using var stage = await FacadeAsync(prefillDp: 4, "round_robin");
        await AskAsync(stage, 8);
        await LiveStage.UntilAsync(() => stage.Gateway.Requests.Recent().Count() == 8, TimeSpan.FromSeconds(10));
        Assert.Equal(8, await RegisteredAsync(
            stage, stage.Gateway.Requests.Recent().Select(r => r.Calls[0].Attempts[0].Lease.Room)));
    }

    [Theory]
    [InlineData(4, 2)]
    [InlineData(2, 4)]
    [InlineData(3, 1)]
    [InlineData(1, 3)]
    public async Task F22_unequal_ranks_are_named_on_each_side_and_the_prefills_is_carried_to_decode(int prefillDp, int decodeDp)
    {
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, engine: o => o with { DpSize = o.Role == EngineRole.Prefill ? prefillDp : decodeDp });
        var (prefill, decode) = (new HashSet<int>(), new HashSet<int>());
        for (var i = 0; i < 24; i++)
        {
            var reply = await stage.AskAsync();
            var lease = await stage.LeaseOfAsync(reply);
            Assert.Equal(HttpStatusCode.OK, reply.Status);
            Assert.Equal(FleetFaultStage.Answer(), (string)JsonNode.Parse(reply.Text)!["text"]!);
            Assert.Equal(prefillDp > 1 ? lease.PrefillRank : null, lease.PrefillTarget.RoutedDpRank);
            Assert.Equal(prefillDp > 1 ? lease.PrefillRank : null, lease.DecodeTarget.DisaggPrefillDpRank);
            Assert.Equal(decodeDp > 1 ? lease.DecodeRank : null, lease.DecodeTarget.RoutedDpRank);
            Assert.Equal(decodeDp > 1 ? lease.DecodeRank : null, (int?)JsonNode.Parse(reply.Text)!["meta_info"]!["dp_rank"]);
            prefill.Add(lease.PrefillRank);
            decode.Add(lease.DecodeRank);
        }
        Assert.Equal((prefillDp, decodeDp), (prefill.Count, decode.Count));
        Assert.All(stage.Prefill.Concat(stage.Decode), e => Assert.Empty(e.Stats.RouterErrors));
        await stage.EmptyAsync();
    }

    /// <summary>Plain replicas compare and announce rank 0 whatever their own is: only a named rank gets past that.</summary>
    [Fact]
    public async Task F24_of_plain_data_parallel_ranks_each_gets_its_share_and_all_requests_succeed()
    {
        const int Ranks = 4;
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, engine: o => o with { DpSize = Ranks, EnableDpAttention = false });
        await stage.EmptyAsync();
        var before = stage.Prefill[0].Stats.Ranks.Select(r => r.PromptTokens).ToArray();
        stage.Decode[0].Faults.Add(new Fault(FaultKind.WedgeDecode)); // all stay in flight, so that turns and loads are plain to see
        var asked = Enumerable.Range(0, 8 * Ranks).Select(_ => stage.AskAsync()).ToArray();
        await stage.UntilAsync(() => stage.Decode[0].Stats is { } s && s.Running + s.Waiting == 8 * Ranks, "all have their KV");
        var ranks = stage.Decode[0].Stats.Ranks.Select(r => r.Occupied).ToArray();
        stage.Decode[0].Faults.Clear();
        Assert.All(await Task.WhenAll(asked), reply => Assert.Equal(HttpStatusCode.OK, reply.Status));
        Assert.All(stage.Prefill[0].Stats.Ranks.Zip(before), r =>
            Assert.True(r.First.PromptTokens > r.Second, "a rank got nothing"));
        Assert.All(ranks, held => Assert.InRange(held, 7, 9));
        Assert.Empty(stage.Prefill[0].Stats.RouterErrors);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task F25_the_first_request_after_a_start_may_name_any_rank_because_no_worker_is_used_before_one_has_gone_through()
    {
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, o => o.ControlPlane.Policy = "round_robin", o => o with { DpSize = 4, Warmup = TimeSpan.FromMilliseconds(300) },
            before: e => e.Faults.Add(
                new Fault(e.Options.Role == EngineRole.Decode ? FaultKind.WedgeDecode : FaultKind.WedgePrefill)), ready: false);
        await stage.UntilAsync(() => stage.Decode[0].Stats.LiveRequests == 1, "the trial is on its way");
        var early = await stage.AskAsync();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "no_healthy_workers"), (early.Status, early.Code));
        stage.Prefill[0].Faults.Clear();
        stage.Decode[0].Faults.Clear();
        await stage.UntilAsync(() => stage.Fleet.IsReady, "the trial has gone through");
        // At once and with each rank as somebody's first.
        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => stage.AskAsync()));
        Assert.All(replies, reply => Assert.Equal(HttpStatusCode.OK, reply.Status));
        var leases = await Task.WhenAll(replies.Select(stage.LeaseOfAsync));
        Assert.Equal([0, 1, 2, 3], leases.Select(l => l.PrefillTarget.RoutedDpRank!.Value).Distinct().Order());
        Assert.Equal(0, stage.Gateway.Dispatcher.Retries);
    }

    private static async Task AskAsync(LiveStage stage, int times)
    {
        for (var i = 0; i < times; i++)
        {
            using var content = new StringContent(FleetFaultStage.Request(), System.Text.Encoding.UTF8, "application/json");
            using var response = await stage.Client.PostAsync("/generate", content, LiveStage.Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    /// <summary>How many of these rooms the prefill's own bootstrap server was told an owner of.</summary>
    private static async Task<int> RegisteredAsync(LiveStage stage, IEnumerable<long> rooms)
    {
        using var content = new StringContent(
            $$"""{"bootstrap_rooms":[{{string.Join(',', rooms)}}]}""", System.Text.Encoding.UTF8, "application/json");
        using var response = await stage.Client.PostAsync(
            new Uri($"http://127.0.0.1:{stage.Prefill[0].BootstrapPort}/query_dp_ranks"), content, LiveStage.Token);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(LiveStage.Token))!.AsObject().Count;
    }

    private static Task<LiveStage> FacadeAsync(int prefillDp, string balance)
    {
        var options = new GatewayOptions { Upstream = Stage.DefaultUpstream };
        options.ControlPlane.DpRanks = DpRankMode.Engine;
        return LiveStage.StartAsync(1, 1, options, engine => engine with
        {
            Speed = 0,
            DpSize = engine.Role == EngineRole.Prefill ? prefillDp : 1,
            LoadBalanceMethod = engine.Role == EngineRole.Prefill ? balance : "auto",
        });
    }
}
