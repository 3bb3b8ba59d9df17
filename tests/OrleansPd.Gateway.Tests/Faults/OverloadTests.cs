using System.Net;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rows F35 and F48 of the fault matrix: many at once, and more than there is room for.</summary>
public sealed class OverloadTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("least_load")]
    [InlineData("round_robin")]
    [InlineData("cache_aware")]
    public async Task F35_64_at_once_are_spread_within_one_of_ideal_by_reservation_and_not_by_what_engines_tell_later(
        string policy)
    {
        await using var stage = await FleetFaultStage.StartAsync(4, 4, o => o.ControlPlane.Policy = policy);
        await stage.EmptyAsync();
        foreach (var decode in stage.Decode)
        {
            decode.Faults.Add(new Fault(FaultKind.WedgeDecode)); // none ends before all have come
        }
        var before = stage.Prefill.Select(e => e.Stats.RequestsTotal).ToArray();
        var asked = Enumerable.Range(0, 64).Select(
            i => stage.AskAsync(FleetFaultStage.Request(prompt: $"a prompt like all the others, number {i:00}"))).ToArray();
        await stage.UntilAsync(() => stage.Decode.Sum(e => e.Stats.Running + e.Stats.Waiting) == 64, "all are in flight");
        var decodes = stage.Decode.Select(e => e.Stats.LiveRequests).ToArray();
        var prefills = stage.Prefill.Select((e, i) => (int)(e.Stats.RequestsTotal - before[i])).ToArray();
        foreach (var decode in stage.Decode)
            decode.Faults.Clear();
        Assert.All(await Task.WhenAll(asked), reply => Assert.Equal(HttpStatusCode.OK, reply.Status));
        output.WriteLine($"prefill {string.Join(' ', prefills)}, decode {string.Join(' ', decodes)}");
        Assert.All(decodes, n => Assert.InRange(n, 15, 17));
        // A prefill is free again when its transfer is done, so only those that were in flight together can be compared.
        Assert.All(prefills, n => Assert.InRange(n, policy == "round_robin" ? 15 : 8, policy == "round_robin" ? 17 : 24));
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task F48_when_all_prefill_is_busy_requests_wait_in_a_bounded_queue_and_are_refused_long_before_the_engines_give_up()
    {
        await using var stage = await FleetFaultStage.StartAsync(1, 1, o =>
        {
            (o.ControlPlane.MaxPrefillRequestsPerRank, o.ControlPlane.QueueSize, o.ControlPlane.QueueTimeoutSecs) = (2, 4, 20);
            o.RetryMaxRetries = 3;
        });
        var prefill = stage.Prefill[0];
        await stage.EmptyAsync();
        prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        var sent = prefill.Stats.RequestsTotal;
        var running = Enumerable.Range(0, 2).Select(_ => stage.AskAsync()).ToArray();
        await stage.UntilAsync(() => prefill.Stats.LiveRequests == 2, "the prefill is full");
        var waiting = Enumerable.Range(0, 4).Select(_ => stage.AskAsync()).ToArray();
        await stage.UntilAsync(() => stage.Waiting == 4, "the queue is full");

        var beyond = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => stage.AskAsync()));
        Assert.All(beyond, reply => Assert.Equal((HttpStatusCode.ServiceUnavailable, "queue_full"), (reply.Status, reply.Code)));
        Assert.All(beyond, reply => Assert.InRange(reply.RetryAfter!.Value.TotalSeconds, 1, 300));

        stage.Clock.Advance(TimeSpan.FromSeconds(19));
        Assert.All(waiting, reply => Assert.False(reply.IsCompleted));
        stage.Clock.Advance(TimeSpan.FromSeconds(1)); // 20 s: an engine gives up after 300 s
        var timedOut = await Task.WhenAll(waiting);
        Assert.All(timedOut, reply =>
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "queue_timeout"), (reply.Status, reply.Code)));
        Assert.All(timedOut, reply => Assert.NotNull(reply.RetryAfter));

        // Not one of them reached the engine or was sent again; those that had room are served.
        Assert.Equal((sent + 2, 0L), (prefill.Stats.RequestsTotal, stage.Gateway.Dispatcher.Retries));
        prefill.Faults.Clear();
        Assert.All(await Task.WhenAll(running), reply => Assert.Equal(HttpStatusCode.OK, reply.Status));
        await stage.GoodAsync();
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task F48_whoever_waits_is_served_in_the_order_of_arrival()
    {
        await using var stage = await FleetFaultStage.StartAsync(1, 1, o => o.ControlPlane.MaxPrefillRequestsPerRank = 1);
        var prefill = stage.Prefill[0];
        await stage.EmptyAsync();
        prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        var asked = new List<Task<FleetReply>>();
        for (var i = 0; i < 8; i++)
        {
            asked.Add(stage.AskAsync());
            await stage.UntilAsync(() => prefill.Stats.LiveRequests + stage.Waiting == i + 1, "it is there");
        }
        prefill.Faults.Clear();
        var leases = new List<long>();
        foreach (var reply in await Task.WhenAll(asked))
        {
            Assert.Equal(HttpStatusCode.OK, reply.Status);
            leases.Add((await stage.LeaseOfAsync(reply)).Id);
        }
        Assert.Equal(leases.Order(), leases);
    }
}
