using System.Net;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Cluster.Tests;

public class LeaseTests
{
    private static string Body(int number, int tokens) =>
        $$$"""{"text":"request {{{number}}}","sampling_params":{"max_new_tokens":{{{tokens}}},"temperature":0,"ignore_eos":true}}""";

    private static SimulatedEngineOptions FourSlots(SimulatedEngineOptions options) => options.Role != EngineRole.Decode ? options
        : options with { MaxRunningRequests = 4 };

    [Fact]
    public async Task An_engine_with_four_slots_never_holds_five_whatever_gateways_and_silos_do()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 3, prefill: 1, decode: 1, engine: FourSlots,
            options: o => (o.QueueSize, o.MaxRunningPerDecodeRank) = (1000, 4));
        await stage.ReadyAsync();
        var most = 0;
        using var stop = new CancellationTokenSource();
        var watch = WatchAsync();
        var served = 0;
        var load = Enumerable.Range(0, 300).Select(async number =>
        {
            while (true)
            {
                var nodes = stage.Nodes;
                try
                {
                    var (status, body) = await stage.PostAsync(nodes[number % nodes.Count], Body(number, 3));
                    // Clients whose gateway was killed, or whose legs ended with it, send their request again.
                    if (status == HttpStatusCode.OK)
                    {
                        Interlocked.Increment(ref served);
                        return;
                    }
                }
                catch (HttpRequestException)
                {
                }
                await Task.Delay(20, ClusterStage.Token);
            }
        }).ToArray();
        for (var kill = 0; kill < 2; kill++)
        {
            var mark = 30 + (60 * kill); // both well before the end of the load
            await ClusterStage.UntilAsync(() => Volatile.Read(ref served) >= mark, () => Describe(stage, served), atMostSecs: 60);
            await stage.KillAsync(stage.Nodes[0]);
            await stage.AddSiloAsync();
        }
        await Task.WhenAll(load).WaitAsync(TimeSpan.FromSeconds(120), ClusterStage.Token);
        await stop.CancelAsync();
        await watch;
        Assert.InRange(stage.Decode[0].Stats.Ranks[0].MaxOccupiedSeen, 1, 4);
        Assert.InRange(most, 1, 4);
        await ClusterStage.UntilAsync(() => stage.Nodes.All(n => n.Plane.Leases == 0));

        async Task WatchAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                most = Math.Max(most, stage.Decode[0].Stats.LiveRequests);
                await Task.Delay(1, CancellationToken.None);
            }
        }
    }

    private static string Describe(ClusterStage stage, int served) =>
        $"{served} served; " + string.Join("; ", stage.Nodes.Select(n =>
            $"{n.Plane.Leases} leases, {n.Plane.Waiting} wait, {n.Plane.Fleet.WhyNotReady ?? "ready"}, {string.Join(", ", n.Plane.Fleet.Workers)}"));

    [Fact]
    public async Task Credits_that_one_gateway_does_not_use_go_to_another()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1, engine: FourSlots,
            options: o => o.MaxRunningPerDecodeRank = 4);
        await stage.ReadyAsync();
        var busy = stage.Nodes[0].Plane;
        var leases = new List<PairLease>();
        for (var i = 0; i < 4; i++)
        {
            var grant = await busy.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
            leases.Add(grant.Lease ?? throw new InvalidOperationException(grant.Refusal?.ToString()));
        }
        var other = stage.Nodes[1].Plane;
        var fifth = other.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token).AsTask();
        await ClusterStage.UntilAsync(() => other.Waiting == 1);
        Assert.False(fifth.IsCompleted);
        busy.LegEnded(leases[0], LegSide.Prefill, LegOutcome.Succeeded);
        busy.LegEnded(leases[0], LegSide.Decode, LegOutcome.Succeeded);
        Assert.NotNull((await fifth.WaitAsync(TimeSpan.FromSeconds(20), ClusterStage.Token)).Lease);
    }

    [Fact]
    public async Task The_credits_of_a_dead_gateway_are_granted_to_others()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1, engine: FourSlots,
            options: o => o.MaxRunningPerDecodeRank = 4);
        await stage.ReadyAsync();
        var doomed = stage.Nodes[0];
        for (var i = 0; i < 4; i++)
        {
            var grant = await doomed.Plane.AcquireAsync(
                new PairRequest { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
            Assert.True(grant.Lease is not null, grant.Refusal?.ToString());
        }
        await stage.KillAsync(doomed);
        var survivor = stage.Nodes[0].Plane;
        for (var i = 0; i < 4; i++)
        {
            var grant = await survivor.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(30) }, ClusterStage.Token);
            Assert.True(grant.Lease is not null, grant.Refusal?.ToString());
        }
    }

    [Fact]
    public async Task A_broken_worker_gets_one_readiness_check_at_a_time_in_the_whole_cluster()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 3, prefill: 1, decode: 2, options: o =>
        {
            o.CbFailureThreshold = 3;
            o.CbTimeoutDurationSecs = 1;
        });
        await stage.ReadyAsync();
        var bad = stage.Decode[0];
        bad.Faults.Add(new Fault(FaultKind.Status));
        WorkerSnapshot SnapshotOf(ClusterStage.Node node) => node.Plane.Fleet.Workers.Single(w => w.Url.Port == bad.Port);
        for (var i = 0; i < 100 && stage.Nodes.Any(n => SnapshotOf(n).Phase != WorkerPhase.Broken); i++)
        {
            foreach (var node in stage.Nodes)
                _ = await stage.PostAsync(node, Body(i, 1));
        }
        await ClusterStage.UntilAsync(
            () => stage.Nodes.All(n => SnapshotOf(n).Phase == WorkerPhase.Broken),
            () => $"{string.Join("; ", stage.Nodes.Select(n => SnapshotOf(n)))}; {bad.Stats.RequestsTotal} requests");
        bad.Faults.Clear();
        bad.Faults.Add(new Fault(FaultKind.Hang));
        int Tried() => bad.Faults.Active.Sum(f => f.Hits);
        await ClusterStage.UntilAsync(() => Tried() > 0, () => "no trial came");
        var others = 0;
        for (var i = 0; i < 50; i++)
        {
            var answers = await Task.WhenAll(stage.Nodes.Select(node => stage.PostAsync(node, Body(i, 1))));
            others += answers.Count(a => a.Status == HttpStatusCode.OK);
        }
        Assert.Equal(150, others);
        Assert.Equal(1, Tried());
        bad.Faults.Clear();
    }
}
