using System.Net;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rows F26 to F30 of the fault matrix: workers that cannot be used, and how they are found and taken back.</summary>
public sealed class AvailabilityTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Tenth = TimeSpan.FromMilliseconds(100);

    [Theory]
    [InlineData(EngineRole.Prefill, "no_decode_workers_available", "no decode worker")]
    [InlineData(EngineRole.Decode, "no_prefill_workers_available", "no prefill worker")]
    public async Task F26_with_one_side_up_nothing_is_ready_and_no_leg_is_sent(EngineRole up, string code, string why)
    {
        // With facades a prefill may be back before decode engines have forgotten its former life.
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, o => (o.ControlPlane.BootstrapFacade, o.ControlPlane.FacadeHost) = (true, "127.0.0.1"));
        var (lives, dies) = up == EngineRole.Prefill ? (stage.Prefill[0], stage.Decode[0]) : (stage.Decode[0], stage.Prefill[0]);
        await dies.KillAsync();
        await stage.UntilAsync(() => !stage.SnapshotOf(dies).IsPairable, "the gateway has noticed", Tenth);
        await stage.EmptyAsync();
        var before = lives.Stats.RequestsTotal;

        var readiness = await stage.ReadinessAsync();
        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => stage.AskAsync()));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, readiness.Status);
        Assert.Contains(why, readiness.Text);
        Assert.All(replies, reply => Assert.Equal((HttpStatusCode.ServiceUnavailable, code), (reply.Status, reply.Code)));
        Assert.All(replies, reply => Assert.NotNull(reply.RetryAfter));
        Assert.Equal(before, lives.Stats.RequestsTotal);
        await dies.RestartAsync(FleetFaultStage.Token);
        await stage.UntilAsync(() => stage.Fleet.IsReady, "it is taken back", Tenth);
        await stage.GoodAsync();
    }

    [Theory]
    [InlineData(EngineRole.Prefill)]
    [InlineData(EngineRole.Decode)]
    public async Task F26_requests_wait_for_the_side_that_has_just_gone_and_are_served_when_it_is_back(EngineRole dying)
    {
        await using var stage = await FleetFaultStage.StartAsync(1, 1, o =>
        {
            (o.ControlPlane.BootstrapFacade, o.ControlPlane.FacadeHost) = (true, "127.0.0.1");
            o.ControlPlane.ReturnWaitSecs = 3600;
        });
        var (prefill, decode) = (stage.Prefill[0], stage.Decode[0]);
        var (lives, dies) = dying == EngineRole.Decode ? (prefill, decode) : (decode, prefill);
        await dies.KillAsync();
        await stage.UntilAsync(() => !stage.SnapshotOf(dies).IsPairable, "the gateway has noticed", Tenth);
        await stage.EmptyAsync();
        var before = lives.Stats.RequestsTotal;

        var asked = Enumerable.Range(0, 20).Select(_ => stage.AskAsync()).ToArray();
        await stage.UntilAsync(() => stage.Waiting == 20, "all wait");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await stage.ReadinessAsync()).Status);
        Assert.Equal(before, lives.Stats.RequestsTotal);

        await dies.RestartAsync(FleetFaultStage.Token);
        await stage.UntilAsync(() => asked.All(a => a.IsCompleted), "they are served", TimeSpan.FromMilliseconds(10));
        Assert.All(await Task.WhenAll(asked), reply => Assert.True(reply.Status == HttpStatusCode.OK, reply.Text));
    }

    [Fact]
    public async Task F27_an_open_prefill_breaker_keeps_decode_idle_and_lets_exactly_one_pair_try()
    {
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, o => (o.ControlPlane.CbFailureThreshold, o.RetryMaxRetries) = (3, 0));
        var (prefill, decode) = (stage.Prefill[0], stage.Decode[0]);
        var broken = prefill.Faults.Add(new Fault(FaultKind.Status) { Status = 500 });
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await stage.AskAsync()).Status);
        await stage.UntilAsync(() => stage.SnapshotOf(prefill).Phase == WorkerPhase.Broken, "the breaker is open");
        Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(decode).Phase); // the side at fault alone is charged
        await stage.EmptyAsync();
        var (sentToPrefill, sentToDecode) = (prefill.Stats.RequestsTotal, decode.Stats.RequestsTotal);
        var refused = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => stage.AskAsync()));
        Assert.All(refused, reply => Assert.Equal("no_prefill_workers_available", reply.Code));
        Assert.Equal((sentToPrefill, sentToDecode), (prefill.Stats.RequestsTotal, decode.Stats.RequestsTotal));

        // Time for a trial, which cannot end yet: whoever comes meanwhile is refused.
        prefill.Faults.Remove(broken);
        prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        stage.Clock.Advance(TimeSpan.FromSeconds(5.1));
        await stage.UntilAsync(() => prefill.Stats.LiveRequests == 1 && decode.Stats.LiveRequests == 1, "one pair is tried");
        refused = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => stage.AskAsync()));
        Assert.All(refused, reply => Assert.Equal("no_prefill_workers_available", reply.Code));
        Assert.Equal((sentToPrefill + 1, sentToDecode + 1), (prefill.Stats.RequestsTotal, decode.Stats.RequestsTotal));

        prefill.Faults.Clear();
        await stage.UntilAsync(() => stage.SnapshotOf(prefill).Phase == WorkerPhase.Ready, "three good trials close it", Tenth);
        await stage.GoodAsync();
        Assert.Equal((1, 1L), (prefill.Epoch, stage.SnapshotOf(prefill).Epoch));
    }

    [Theory]
    [InlineData(EngineRole.Prefill)]
    [InlineData(EngineRole.Decode)]
    public async Task F28_an_engine_that_generates_nothing_behind_a_green_health_check_is_found_by_the_age_of_what_is_in_flight(
        EngineRole role)
    {
        await using var stage = await FleetFaultStage.StartAsync(
            2, 2, o => (o.FirstOutputTimeoutSecs, o.RetryMaxRetries) = (280, 0));
        var wedged = role == EngineRole.Prefill ? stage.Prefill[0] : stage.Decode[0];
        wedged.Faults.Add(new Fault(role == EngineRole.Prefill ? FaultKind.WedgePrefill : FaultKind.WedgeDecode));
        // Requests on the other engines come and go; the one on this engine stays.
        var stuck = new List<Task<FleetReply>>();
        while (wedged.Stats.LiveRequests == 0)
        {
            var ask = stage.AskAsync();
            stuck.Add(ask);
            await stage.UntilAsync(() => ask.IsCompleted || wedged.Stats.LiveRequests > 0, "an answer, or none");
        }
        using var health = await stage.Client.GetAsync(new Uri(wedged.Url, "/health"), FleetFaultStage.Token);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);

        var since = stage.Clock.GetUtcNow();
        await stage.UntilAsync(() => stage.SnapshotOf(wedged).Phase == WorkerPhase.Suspect, "it is suspect", Tenth);
        var suspect = stage.Clock.GetUtcNow() - since;
        await stage.UntilAsync(() => stage.SnapshotOf(wedged).Phase == WorkerPhase.Broken, "it is out of rotation", Tenth);
        var removed = stage.Clock.GetUtcNow() - since;
        output.WriteLine($"suspect after {suspect.TotalSeconds:0.0} s, out of rotation after {removed.TotalSeconds:0.0} s of "
            + "the gateway's clock");
        Assert.InRange(suspect.TotalSeconds, 29, 60);
        Assert.InRange(removed.TotalSeconds, 119, 200);

        for (var i = 0; i < 6; i++)
        {
            await stage.GoodAsync(); // on the others
        }
        wedged.Faults.Clear();
        await stage.UntilAsync(() => stage.SnapshotOf(wedged).Phase == WorkerPhase.Ready, "it is taken back", Tenth);
        Assert.All(await Task.WhenAll(stuck), reply => Assert.Equal(HttpStatusCode.OK, reply.Status));
        await stage.EmptyAsync();
    }

    [Theory]
    [InlineData(EngineRole.Prefill)]
    [InlineData(EngineRole.Decode)]
    public async Task F29_an_engine_that_needs_60_s_for_its_first_generation_is_not_used_before_and_opens_no_breaker(
        EngineRole role)
    {
        await using var stage = await FleetFaultStage.StartAsync(1, 1, ready: false, before: e =>
        {
            if (e.Options.Role == role)
                e.Faults.Add(new Fault(role == EngineRole.Prefill ? FaultKind.WedgePrefill : FaultKind.WedgeDecode));
        });
        var slow = role == EngineRole.Prefill ? stage.Prefill[0] : stage.Decode[0];
        await stage.UntilAsync(() => slow.Stats.LiveRequests == 1, "a generation of our own is on its way");
        using var health = await stage.Client.GetAsync(new Uri(slow.Url, "/health"), FleetFaultStage.Token);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);

        var sent = slow.Stats.RequestsTotal;
        for (var second = 0; second < 60; second++)
        {
            stage.Clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(WorkerPhase.Probing, stage.SnapshotOf(slow).Phase); // never Broken
            Assert.Equal("no_healthy_workers", (await stage.AskAsync()).Code);
        }
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await stage.ReadinessAsync()).Status);
        Assert.Equal(sent, slow.Stats.RequestsTotal);

        slow.Faults.Clear();
        await stage.UntilAsync(() => stage.Fleet.IsReady, "the generation has gone through");
        Assert.Equal(HttpStatusCode.OK, (await stage.ReadinessAsync()).Status);
        await stage.GoodAsync();
    }
}
