using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Management;

/// <summary>Workers come, go and change their role while requests run; no request may notice.</summary>
public sealed class WorkerChangeTests
{
    private const int Long = 800;

    private static SimulatedEngineOptions Slow(SimulatedEngineOptions o) => o with { Speed = 20 };

    [Fact]
    public async Task A_worker_that_drains_ends_what_it_has_and_is_then_safe_to_kill()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode, Slow);
        await stage.ReadyAsync(p, d);
        var running = stage.GenerateAsync(tokens: Long);
        await stage.UntilAsync(d, w => (int)w["in_flight"]! == 1);
        Assert.Equal(202, (await stage.CallAsync("DELETE", $"/workers/{d}")).Status);
        var draining = await stage.WorkerAsync(d);
        Assert.Equal(("draining", false, "RemoveWorker", 1),
            ((string)draining["phase"]!, (
                bool)draining["safe_to_kill"]!, (string)draining["job_status"]!["job_type"]!, (int)draining["in_flight"]!));
        using var refused = await stage.SendAsync("POST", "/generate", """{"text":"x"}""");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.False(running.IsCompleted);
        Assert.NotEmpty(await running);
        var gone = await stage.UntilAsync(d, w => (string)w["phase"]! == "gone");
        Assert.True((bool)gone["safe_to_kill"]!);
        Assert.Equal((0, 0), ((int)gone["in_flight"]!, decode.Stats.LiveRequests));
        var (_, list) = await stage.CallAsync("GET", "/workers");
        Assert.Equal((2, 0, 1), ((int)list["total"]!, (int)list["stats"]!["decode_count"]!, (int)list["stats"]!["gone_count"]!));
    }

    [Fact]
    public async Task A_worker_is_not_safe_to_kill_while_its_engine_holds_requests_of_others()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (engine, id) = await stage.WorkerAsync(EngineRole.Regular, Slow);
        await stage.ReadyAsync(id);
        using var other = new HttpClient();
        var foreign = other.PostAsync(new Uri(engine.Url, "/generate"), new StringContent(
            $$$"""{"text":"of others","sampling_params":{"max_new_tokens":{{{Long}}},"ignore_eos":true}}""",
            System.Text.Encoding.UTF8, "application/json"), ManagedStage.Token);
        await ManagedStage.UntilAsync(() => engine.Stats.Running == 1, "the other's request runs");
        await stage.CallAsync("DELETE", $"/workers/{id}");
        var draining = await stage.UntilAsync(
            id, w => ((string)w["safe_to_kill_reason"]!).Contains("still holds 1", StringComparison.Ordinal)
            || ((string)w["safe_to_kill_reason"]!).Contains("older than", StringComparison.Ordinal));
        Assert.Equal(("draining", false), ((string)draining["phase"]!, (bool)draining["safe_to_kill"]!));
        using var answered = await foreign;
        Assert.True((bool)(await stage.UntilAsync(id, w => (string)w["phase"]! == "gone"))["safe_to_kill"]!);
    }

    [Fact]
    public async Task Removed_by_force_it_is_gone_at_once_and_its_address_can_be_added_again()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode, Slow);
        await stage.ReadyAsync(p, d);
        var running = stage.GenerateAsync(tokens: Long);
        await stage.UntilAsync(d, w => (int)w["in_flight"]! == 1);
        Assert.Equal(409, (await stage.CallAsync("POST", "/workers", new JsonObject { ["url"] = decode.Url.ToString() })).Status);
        Assert.Equal(202, (await stage.CallAsync("DELETE", $"/workers/{d}?force=true")).Status);
        var gone = await stage.WorkerAsync(d);
        Assert.Equal(("gone", 1, false), ((string)gone["phase"]!, (int)gone["in_flight"]!, (bool)gone["safe_to_kill"]!));
        Assert.Equal(d, await stage.AddAsync(decode));
        await stage.ReadyAsync(d);
        await stage.GenerateAsync();
        await stage.CallAsync("DELETE", $"/workers/{d}");
        // The leg of its former registration counts: it is the same engine.
        Assert.False((bool)(await stage.WorkerAsync(d))["safe_to_kill"]! && !running.IsCompleted);
        Assert.NotEmpty(await running);
        await stage.UntilAsync(d, w => (string)w["phase"]! == "gone" && (bool)w["safe_to_kill"]!);
    }

    [Fact]
    public async Task An_engine_that_died_while_it_drained_is_gone()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (engine, id) = await stage.WorkerAsync(EngineRole.Regular);
        await stage.ReadyAsync(id);
        await engine.KillAsync();
        await stage.CallAsync("DELETE", $"/workers/{id}");
        Assert.True((bool)(await stage.UntilAsync(id, w => (string)w["phase"]! == "gone"))["safe_to_kill"]!);
    }

    [Fact]
    public async Task Workers_come_and_go_under_load_and_no_request_is_lost()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, first) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, first);
        var asked = 0;
        var load = Enumerable.Range(0, 6).Select(async client =>
        {
            for (var i = 0; i < 50; i++)
            {
                Assert.NotEmpty(await stage.GenerateAsync($"client {client} request {i}", 3));
                Interlocked.Increment(ref asked);
            }
        }).ToArray();
        var last = first;
        for (var round = 0; round < 4; round++)
        {
            var seen = Volatile.Read(ref asked);
            var (_, next) = await stage.WorkerAsync(EngineRole.Decode);
            await stage.ReadyAsync(next);
            await stage.CallAsync("DELETE", $"/workers/{last}");
            await stage.UntilAsync(last, w => (string)w["phase"]! == "gone" && (bool)w["safe_to_kill"]!);
            last = next;
            await ManagedStage.UntilAsync(() => Volatile.Read(ref asked) >= Math.Min(300, seen + 20), "the load goes on");
        }
        await Task.WhenAll(load);
        Assert.Equal(300, asked);
    }

    [Fact]
    public async Task A_role_switch_under_load_loses_nothing_and_the_worker_serves_in_its_new_role()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode);
        var (turned, t) = await stage.WorkerAsync(EngineRole.Decode, o => o with { EnableRoleSwitch = true });
        await stage.ReadyAsync(p, d, t);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ManagedStage.Token);
        var load = Enumerable.Range(0, 4).Select(async client =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
                Assert.NotEmpty(await stage.GenerateAsync($"client {client} request {i}", 3));
        }).ToArray();
        var (status, body) = await stage.CallAsync("POST", $"/workers/{t}/role", new JsonObject { ["role"] = "prefill" });
        Assert.True(status == 200, body.ToString());
        await stage.ReadyAsync(t);
        var worker = await stage.WorkerAsync(t);
        Assert.Equal(("prefill", 2L), ((string)worker["worker_type"]!, (long)worker["epoch"]!));
        await stop.CancelAsync();
        await Task.WhenAll(load);
        await stage.CallAsync("DELETE", $"/workers/{p}"); // now it is the only prefill
        var before = turned.Stats.RequestsTotal;
        await stage.GenerateAsync("through the turned one");
        Assert.True(turned.Stats.RequestsTotal > before);
    }

    [Theory]
    [InlineData(false, "not supported")]
    [InlineData(true, "no /pd_role_switch")]
    public async Task An_engine_that_cannot_switch_serves_on_in_its_role(bool lacksTheRoute, string says)
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode, o => o with { RustFrontEnd = lacksTheRoute });
        await stage.ReadyAsync(p, d);
        var (status, body) = await stage.CallAsync("POST", $"/workers/{d}/role", new JsonObject { ["role"] = "prefill" });
        Assert.Equal((502, "ENGINE_REFUSED"), (status, (string)body["code"]!));
        Assert.Contains(says, (string)body["error"]!);
        var worker = await stage.WorkerAsync(d);
        Assert.Equal(("decode", "ready"), ((string)worker["worker_type"]!, (string)worker["phase"]!));
        await stage.GenerateAsync();
    }

    [Fact]
    public async Task A_role_switch_that_stays_busy_ends_with_its_time_limit()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ControlPlane.RoleSwitchTimeoutSecs = 1);
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode, o => Slow(o) with { EnableRoleSwitch = true, Speed = 2 });
        await stage.ReadyAsync(p, d);
        var running = stage.GenerateAsync(tokens: 400);
        await stage.UntilAsync(d, w => (int)w["in_flight"]! == 1);
        var (status, body) = await stage.CallAsync("POST", $"/workers/{d}/role", new JsonObject { ["role"] = "prefill" });
        Assert.Equal((504, "TIMED_OUT"), (status, (string)body["code"]!));
        Assert.Equal("ready", (string)(await stage.WorkerAsync(d))["phase"]!);
        Assert.NotEmpty(await running);
    }

    [Fact]
    public async Task Flushing_caches_reaches_every_engine_and_says_who_refused()
    {
        await using var stage = await ManagedStage.StartAsync();
        Assert.Equal(503, (await stage.CallAsync("POST", "/flush_cache")).Status);
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (slow, d) = await stage.WorkerAsync(EngineRole.Decode, Slow);
        await stage.ReadyAsync(p, d);
        var (status, all) = await stage.CallAsync("POST", "/flush_cache?timeout=5");
        Assert.Equal((200, 2, 0), (status, all["successful"]!.AsArray().Count, all["failed"]!.AsArray().Count));
        var running = stage.GenerateAsync(tokens: Long);
        await ManagedStage.UntilAsync(() => slow.Stats.Running == 1, "decode runs");
        var (partly, some) = await stage.CallAsync("GET", "/flush_cache");
        Assert.Equal((206, 1), (partly, some["successful"]!.AsArray().Count));
        Assert.Contains("not idle", (string)some["failed"]![0]![1]!);
        Assert.Equal(400, (await stage.CallAsync("POST", "/flush_cache?timeout=x")).Status);
        Assert.NotEmpty(await running);
    }
}
