using System.Diagnostics;
using System.Net;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Row F30: a prefill is restarted on the same address.</summary>
public sealed class RestartTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Tenth = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task F30_behind_a_facade_it_is_a_new_life_under_a_new_address_and_the_old_rooms_fail_at_once()
    {
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, o => (o.ControlPlane.BootstrapFacade, o.ControlPlane.FacadeHost, o.RetryMaxRetries) = (true, "127.0.0.1", 0));
        var (prefill, decode) = (stage.Prefill[0], stage.Decode[0]);
        await stage.GoodAsync();
        var old = stage.SnapshotOf(prefill).FacadePort;
        prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        var stuck = Enumerable.Range(0, 5).Select(_ => stage.AskAsync()).ToArray();
        await stage.UntilAsync(() => decode.Stats.TransferQueue == 5, "decode waits for the KV of five");

        var clock = Stopwatch.StartNew();
        await prefill.RestartAsync(FleetFaultStage.Token);
        var failed = await Task.WhenAll(stuck);
        await stage.EmptyAsync();
        output.WriteLine($"all five had failed and both engines were free {clock.ElapsedMilliseconds} ms after the kill began");
        Assert.InRange(clock.ElapsedMilliseconds, 0, 5_000); // decode alone would have noticed after two heartbeats, 10 s
        Assert.All(failed, reply => Assert.Equal(HttpStatusCode.ServiceUnavailable, reply.Status));
        Assert.All(failed, reply => Assert.Contains(reply.Code, new[] { "prefill_broken", "prefill_stale" })); // by the age of the connection

        prefill.Faults.Clear();
        await stage.UntilAsync(
            () => stage.SnapshotOf(prefill) is { Phase: WorkerPhase.Ready, Epoch: 2 }, "it is ready in its second life", Tenth);
        Assert.NotEqual(old, stage.SnapshotOf(prefill).FacadePort);
        Assert.False(await AnswersAsync(stage, $"http://127.0.0.1:{old}/health")); // so decode engines learn that it is over
        await stage.GoodAsync();
    }

    [Fact]
    public async Task F30_without_a_facade_it_is_held_back_until_decode_engines_have_forgotten_its_former_ranks()
    {
        await using var stage = await FleetFaultStage.StartAsync(
            1, 1, o => o.ControlPlane.PrefillRestartHoldSecs = 15, o => o with
            {
                BootstrapRetry = TimeSpan.FromMilliseconds(5),
                HeartbeatInterval = TimeSpan.FromMilliseconds(5),
            });
        var (prefill, decode) = (stage.Prefill[0], stage.Decode[0]);
        await stage.GoodAsync();
        await prefill.KillAsync();
        // Real engines are away for longer than two heartbeats; that decode has noticed shows in a room that nobody serves.
        await LostAsync(stage, prefill, decode);
        await prefill.RestartAsync(FleetFaultStage.Token);
        await stage.UntilAsync(
            () => stage.SnapshotOf(prefill) is { Epoch: 2 }, "the second life was read", TimeSpan.FromMilliseconds(10));

        var sent = prefill.Stats.RequestsTotal;
        var since = stage.Clock.GetUtcNow();
        for (var second = 0; second < 14 && stage.Clock.GetUtcNow() - since < TimeSpan.FromSeconds(14); second++)
        {
            Assert.Equal("no_prefill_workers_available", (await stage.AskAsync()).Code);
            Assert.Contains("held", stage.SnapshotOf(prefill).Reason);
            stage.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal((0L, 0L), (sent, prefill.Stats.RequestsTotal)); // not even a trial of our own
        await stage.UntilAsync(() => stage.Fleet.IsReady, "the hold is over", Tenth);
        await stage.GoodAsync();
    }

    /// <summary>A fenced address says 503 for a while, and is closed then.</summary>
    private static async Task<bool> AnswersAsync(FleetFaultStage stage, string url)
    {
        try
        {
            using var response = await stage.Client.GetAsync(new Uri(url), FleetFaultStage.Token);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>A request straight to decode that names the dead prefill: it ends when decode's heartbeats have failed.</summary>
    private static async Task LostAsync(FleetFaultStage stage, SimulatedEngine prefill, SimulatedEngine decode)
    {
        using var content = new StringContent(
            $$"""{"text":"x","bootstrap_host":"127.0.0.1","bootstrap_port":{{prefill.BootstrapPort}},"bootstrap_room":4711}""",
            System.Text.Encoding.UTF8, "application/json");
        using var response = await stage.Client.PostAsync(new Uri(decode.Url, "/generate"), content, FleetFaultStage.Token);
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
    }
}
