using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime.MembershipService.SiloMetadata;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Placement;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Cluster.Workers;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Simulator;

namespace OrleansPd.Cluster.Tests;

/// <summary>The writer of a worker stands beside its engine, falls back, and comes back.</summary>
public class PlacementTests
{
    private static readonly ImmutableDictionary<string, string> OnB =
        ImmutableDictionary<string, string>.Empty.Add("node", "b").Add("zone", "east");

    private static string Body(int number) =>
        $$$"""{"text":"request {{{number}}}","sampling_params":{"max_new_tokens":8,"temperature":0,"ignore_eos":true}}""";

    [Fact]
    public async Task A_worker_grain_runs_beside_its_engine_falls_back_to_its_zone_and_returns_while_requests_run()
    {
        var places = new ConcurrentQueue<(string Node, string Zone)>([("a", "west"), ("b", "east"), ("c", "east")]);
        await using var stage = await ClusterStage.StartAsync(
            silos: 3, prefill: 1, decode: 1,
            engine: o => o with { Speed = 20, MaxRunningRequests = o.Role == EngineRole.Decode ? 4 : 128, DecodeExtraSlots = 0 },
            options: o => (o.QueueSize, o.MaxRunningPerDecodeRank) = (1000, 4),
            cluster: new PdClusterOptions { MoveAfterSecs = 1 },
            silo: silo => Place(silo, places),
            worker: spec => spec with { Labels = OnB });
        await stage.ReadyAsync();
        await AreOnAsync(stage, "b");

        var survivors = stage.Nodes.Where(n => NodeOf(n) != "b").ToArray();
        using var stop = new CancellationTokenSource();
        var served = 0;
        var load = Enumerable.Range(0, 12).Select(number => RunAsync(survivors[number % 2], number)).ToArray();
        await MoreAsync(20);
        await stage.KillAsync(stage.Nodes.Single(n => NodeOf(n) == "b"));
        await AreOnAsync(stage, "c");
        await MoreAsync(20);
        places.Enqueue(("b", "east"));
        await stage.AddSiloAsync();
        await AreOnAsync(stage, "b");
        await MoreAsync(20);
        await stop.CancelAsync();
        await Task.WhenAll(load);
        Assert.InRange(stage.Decode[0].Stats.Ranks[0].MaxOccupiedSeen, 1, 4);
        Assert.Equal(0, stage.Decode[0].Stats.DuplicateRooms);
        await ClusterStage.UntilAsync(() => stage.Nodes.All(n => n.Plane.Leases == 0));

        async Task RunAsync(ClusterStage.Node node, int number)
        {
            while (!stop.IsCancellationRequested)
            {
                var (status, body) = await stage.PostAsync(node, Body(number));
                Assert.True(status == HttpStatusCode.OK, body);
                Interlocked.Increment(ref served);
            }
        }

        Task MoreAsync(int answers)
        {
            var until = Volatile.Read(ref served) + answers;
            return ClusterStage.UntilAsync(
                () => Volatile.Read(ref served) >= until || load.Any(l => l.IsFaulted),
                () => $"{served} of {until}; {string.Join("; ", stage.Nodes.Select(n => $"{n.Plane.Leases} leases, {n.Plane.Waiting} wait"))}");
        }
    }

    [Fact]
    public async Task A_worker_grain_that_moves_continues_with_the_credits_of_gateways()
    {
        var places = new ConcurrentQueue<(string Node, string Zone)>([("a", "west")]);
        await using var stage = await ClusterStage.StartAsync(
            silos: 1, prefill: 1, decode: 1,
            engine: o => o with { MaxRunningRequests = o.Role == EngineRole.Decode ? 4 : 128 },
            options: o => o.MaxRunningPerDecodeRank = 4,
            cluster: new PdClusterOptions { MoveAfterSecs = 1 },
            silo: silo => Place(silo, places),
            worker: spec => spec with { Labels = OnB });
        await stage.ReadyAsync();
        var first = stage.Nodes[0];
        var leases = new List<PairLease>();
        for (var i = 0; i < 3; i++)
        {
            var grant = await first.Plane.AcquireAsync(new() { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
            leases.Add(grant.Lease ?? throw new InvalidOperationException(grant.Refusal?.ToString()));
        }
        var before = first.Plane.Fleet.Workers.Select(w => (w.Id, w.Epoch)).ToArray();
        places.Enqueue(("b", "east"));
        var second = await stage.AddSiloAsync();
        await AreOnAsync(stage, "b");
        await stage.ReadyAsync();
        Assert.Equal(before, first.Plane.Fleet.Workers.Select(w => (w.Id, w.Epoch))); // no restart was seen in it

        // One credit of four is left: the new activation knows the other three.
        var last = await second.Plane.AcquireAsync(new() { MaxWait = TimeSpan.FromSeconds(20) }, ClusterStage.Token);
        Assert.True(last.Lease is not null, last.Refusal?.ToString());
        foreach (var node in stage.Nodes)
            Assert.Null((await node.Plane.AcquireAsync(new() { MaxWait = TimeSpan.FromSeconds(1) }, ClusterStage.Token)).Lease);
    }

    [Fact]
    public async Task An_engine_named_by_a_loopback_address_stands_on_the_node_of_the_silo_it_was_named_on()
    {
        var places = new ConcurrentQueue<(string Node, string Zone)>([("a", ""), ("b", ""), ("c", "")]);
        await using var stage = await ClusterStage.StartAsync(
            silos: 3, prefill: 1, decode: 2, cluster: new PdClusterOptions { MoveAfterSecs = 1 }, silo: silo =>
                Place(silo, places));
        await stage.ReadyAsync();
        var naming = stage.Nodes.Single(
            n => n.Handle.ServiceProvider.GetRequiredService<ControlPlaneOptions>().Workers.Count > 0);
        await AreOnAsync(stage, NodeOf(naming));
        Assert.All(stage.Nodes[0].Plane.Fleet.Workers, w => Assert.Equal(NodeOf(naming), w.Labels["node"]));
        var views = await stage.Nodes[2].Plane.ListAsync(ClusterStage.Token);
        Assert.All(views, view => Assert.Equal(naming.Handle.SiloAddress.Endpoint.ToString(), view.Silo));
    }

    private static void Place(ISiloBuilder silo, ConcurrentQueue<(string Node, string Zone)> places)
    {
        Assert.True(places.TryDequeue(out var place));
        silo.UseSiloMetadata(new Dictionary<string, string> { ["node"] = place.Node, ["zone"] = place.Zone });
    }

    private static string NodeOf(ClusterStage.Node node) => node.Handle.ServiceProvider.GetRequiredService<SiloMap>().Here.Node;

    /// <summary>Waits until all writers are on that node and nowhere else.</summary>
    private static Task AreOnAsync(ClusterStage stage, string node)
    {
        var workers = stage.Prefill.Length + stage.Decode.Length;
        int On(ClusterStage.Node silo) => silo.Handle.ServiceProvider.GetRequiredService<WorkerRegistry>().Here.Count();
        return ClusterStage.UntilAsync(
            () => stage.Nodes.All(n => On(n) == (NodeOf(n) == node ? workers : 0)),
            () => string.Join("; ", stage.Nodes.Select(
                n => $"{NodeOf(n)}: {On(n)} writers, {string.Join(", ", n.Plane.Fleet.Workers)}")),
            // A readiness check interrupted by its silo's death keeps its credit, and so the grain, until the credit expires.
            atMostSecs: 180);
    }
}
