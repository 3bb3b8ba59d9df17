using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rows F31, F32 and F33 of the fault matrix: workers that join, leave, are drained, or fit nobody.</summary>
public sealed class ChangeUnderLoadTests(ITestOutputHelper output)
{
    [Fact]
    public async Task F31_of_1500_requests_none_hangs_and_none_is_lost_while_workers_join_drain_and_restart()
    {
        const int Clients = 15, Each = 100;
        // A restarted prefill stands under a new address at once; three retries, since one may meet the next worker that goes.
        await using var stage = await ManagedStage.StartAsync(o =>
        {
            (o.ControlPlane.BootstrapFacade, o.ControlPlane.FacadeHost) = (true, "127.0.0.1");
            (o.ControlPlane.LivenessIntervalSecs, o.ControlPlane.DescribeIntervalSecs) = (1, 1);
            o.RetryMaxRetries = 3;
        });
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, p2) = await stage.WorkerAsync(EngineRole.Prefill);
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode);
        var (_, leaver) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, p2, d, leaver);

        var clock = Stopwatch.StartNew();
        var done = 0;
        var changing = true;
        var load = Enumerable.Range(0, Clients).Select(async client =>
        {
            // The last requests wait until the last change is over, so that all of them happen under load.
            for (var i = 0; i < Each; i++)
            {
                while (Volatile.Read(ref changing) && i >= Each - 5)
                    await stage.GenerateAsync($"client {client} meanwhile", 2);
                var prompt = $"client {client} request {i}";
                Assert.Equal(ReferenceModel.Complete(
                    prompt, 6, new Sampling { IgnoreEos = true }), await stage.GenerateAsync(prompt, 6));
                Interlocked.Increment(ref done);
            }
        }).ToArray();
        for (var round = 0; round < 3; round++)
        {
            var (_, joined) = await stage.WorkerAsync(EngineRole.Decode);
            await stage.ReadyAsync(joined);
            await stage.CallAsync("DELETE", $"/workers/{leaver}");
            await stage.UntilAsync(leaver, w => (string)w["phase"]! == "gone" && (bool)w["safe_to_kill"]!);
            leaver = joined;
            var (engine, id) = round % 2 == 0 ? (decode, d) : (prefill, p);
            await engine.RestartAsync(ManagedStage.Token); // as kill -9, with requests in flight
            await stage.UntilAsync(id, w => (string)w["phase"]! == "ready" && (long)w["epoch"]! == engine.Epoch);
        }
        Volatile.Write(ref changing, false);
        await Task.WhenAll(load);
        output.WriteLine($"{done} requests in {clock.Elapsed.TotalSeconds:0.0} s, {stage.Gateway.Dispatcher.Retries} of them "
            + "sent again");
        Assert.Equal(Clients * Each, done);
        await ManagedStage.UntilAsync(
            () => stage.Gateway.Dispatcher is { OpenDecodeLegs: 0, OpenPrefillLegs: 0 }
                && prefill.Stats.LiveRequests + decode.Stats.LiveRequests == 0,
            "nothing is left over");
    }

    [Fact]
    public async Task F32_a_worker_that_drains_gets_no_new_pair_and_is_safe_to_delete_when_its_last_KV_is_released()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, d);
        // Computed, and not fetched: the prefill's KV is held for a request of which nothing runs any more.
        prefill.Faults.Add(new Fault(FaultKind.LateKv) { Count = 1, Delay = TimeSpan.FromHours(1) });
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(ManagedStage.Token);
        using var client = new HttpClient { BaseAddress = stage.Gateway.Url };
        using var content = new StringContent(FleetFaultStage.Request(), System.Text.Encoding.UTF8, "application/json");
        var waiting = client.PostAsync("/generate", content, gone.Token);
        await ManagedStage.UntilAsync(() => prefill.Stats.InflightQueue == 1, "the KV is computed and held");
        var (_, other) = await stage.WorkerAsync(EngineRole.Prefill);
        await stage.ReadyAsync(other);

        Assert.Equal(202, (await stage.CallAsync("DELETE", $"/workers/{p}")).Status);
        var before = prefill.Stats.RequestsTotal;
        for (var i = 0; i < 20; i++)
            await stage.GenerateAsync($"number {i}");
        Assert.Equal(before, prefill.Stats.RequestsTotal);
        var draining = await stage.WorkerAsync(p);
        Assert.Equal(("draining", false, 1), (
            (string)draining["phase"]!, (bool)draining["safe_to_kill"]!, (int)draining["in_flight"]!));

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var end = await stage.UntilAsync(p, w => (string)w["phase"]! == "gone");
        Assert.Equal((true, 0), ((bool)end["safe_to_kill"]!, (int)end["in_flight"]!));
        Assert.Equal((0, 0L, 0), (prefill.Stats.LiveRequests, prefill.Stats.LiveKvTokens, prefill.Stats.Occupied));
    }

    [Fact]
    public async Task F33_engines_of_unlike_KV_are_never_brought_together_and_the_client_is_told_why()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill, o => o with { PageSize = 64 });
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode, o => o with { PageSize = 128 });
        var told = await stage.UntilAsync(
            d, w => ((string?)w["reason"] ?? "").Contains("can exchange KV", StringComparison.Ordinal));
        Assert.Equal($"no prefill worker can exchange KV with it: page size 128, {p} has 64".Replace(
            p, prefill.Url.GetLeftPart(UriPartial.Authority)),
            (string)told["reason"]!);

        using var answer = await stage.SendAsync("POST", "/generate", FleetFaultStage.Request());
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "no_compatible_pair"),
            (answer.StatusCode, answer.Headers.GetValues("x-router-error-code").Single()));
        Assert.Contains("page size", (
            string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(ManagedStage.Token))!["error"]!["message"]!);
        Assert.Equal((0L, 0L), (prefill.Stats.RequestsTotal, decode.Stats.RequestsTotal));
        Assert.True(decode.IsAlive); // as a pair it would have died of it
    }
}
