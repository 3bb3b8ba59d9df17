using System.Collections.Immutable;
using OrleansPd.Core.Placement;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Placement;

/// <summary>Which silo is beside which engine.</summary>
public class EngineSideTests
{
    private static SiloLocation Silo(string name, string node = "", string zone = "", string host = "10.0.0.99") =>
        new(name, host, node, zone);

    private static WorkerSpec Engine(string url, string? node = null, string? zone = null)
    {
        var labels = ImmutableDictionary<string, string>.Empty;
        labels = node is null ? labels : labels.Add("node", node);
        labels = zone is null ? labels : labels.Add("zone", zone);
        return new() { Url = new Uri(url), Role = WorkerRole.Decode, Labels = labels };
    }

    [Theory]
    [InlineData("http://10.0.0.1:30000", "gpu-1", null, "gpu-1", "", "10.9.9.9", Proximity.SameNode)]
    [InlineData("http://10.0.0.1:30000", "GPU-1", null, "gpu-1", "", "10.9.9.9", Proximity.SameNode)]
    [InlineData("http://10.0.0.1:30000", "gpu-2", null, "gpu-1", "", "10.0.0.1", Proximity.Elsewhere)] // label over address
    [InlineData("http://10.0.0.1:30000", null, null, "gpu-1", "", "10.0.0.1", Proximity.SameNode)]
    [InlineData("http://[fd00::1]:30000", null, null, "", "", "fd00::1", Proximity.SameNode)]
    [InlineData("http://gpu-1:30000", null, null, "gpu-1", "", "10.0.0.1", Proximity.SameNode)]
    [InlineData("http://gpu-1.cluster.local:30000", null, null, "gpu-1", "", "10.0.0.1", Proximity.SameNode)]
    [InlineData("http://gpu-12:30000", null, null, "gpu-1", "", "10.0.0.1", Proximity.Elsewhere)]
    [InlineData("http://10.0.0.1:30000", null, null, "10", "", "10.0.0.2", Proximity.Elsewhere)]
    [InlineData("http://127.0.0.1:30000", null, null, "", "", "127.0.0.1", Proximity.Elsewhere)] // whose 127.0.0.1?
    [InlineData("http://localhost:30000", null, null, "localhost", "", "127.0.0.1", Proximity.Elsewhere)]
    [InlineData("http://10.0.0.1:30000", "gpu-2", "b", "gpu-1", "b", "10.0.0.9", Proximity.SameZone)]
    [InlineData("http://10.0.0.1:30000", null, "b", "gpu-1", "a", "10.0.0.9", Proximity.Elsewhere)]
    [InlineData("http://10.0.0.1:30000", "", "", "", "", "10.0.0.9", Proximity.Elsewhere)] // unknown locations are not equal
    public void It_is_known_by_labels_else_by_the_address(
        string url, string? node, string? zone, string siloNode, string siloZone, string siloHost, Proximity expected) =>
        Assert.Equal(expected, EngineLocation.Of(Engine(url, node, zone), Silo("s", siloNode, siloZone, siloHost)));

    [Fact]
    public void The_same_node_is_chosen_before_the_same_zone_before_any()
    {
        var engine = Engine("http://10.0.0.1:30000", "gpu-1", "a");
        SiloLocation[] silos = [Silo("far", "gpu-9", "b"), Silo("near", "gpu-2", "a"), Silo("beside", "gpu-1", "a")];
        string? Chosen(IEnumerable<SiloLocation> among) => EngineLocation.Choose(new("w"), engine, among)?.Silo;
        Assert.Equal("beside", Chosen(silos));
        Assert.Equal("near", Chosen(silos[..2]));
        Assert.Equal("far", Chosen(silos[..1]));
        Assert.Null(Chosen([]));
    }

    [Fact]
    public void Among_equals_workers_are_spread_and_only_those_of_a_silo_that_leaves_go_elsewhere()
    {
        var silos = Enumerable.Range(0, 4).Select(i => Silo($"10.0.0.{i}:11111@{i}")).ToArray();
        var workers = Enumerable.Range(0, 400).Select(i => new WorkerId($"http://10.1.0.{i % 200}:{30000 + (i / 200)}"))
            .ToArray();
        string Chosen(WorkerId worker, IEnumerable<SiloLocation> among) =>
            EngineLocation.Choose(worker, Engine("http://far:1"), among)!.Silo;
        var before = workers.ToDictionary(w => w, w => Chosen(w, silos));
        Assert.All(before.GroupBy(w => w.Value), on => Assert.InRange(on.Count(), 60, 140));
        Assert.Equal(4, before.Values.Distinct().Count());
        Assert.All(workers, w => Assert.Equal(before[w], Chosen(w, silos.Reverse()))); // from every silo, in any order
        var left = silos[1..];
        Assert.All(workers.Where(w => before[w] != silos[0].Silo), w => Assert.Equal(before[w], Chosen(w, left)));
        Assert.Equal(3, workers.Where(w => before[w] == silos[0].Silo).Select(w => Chosen(w, left)).Distinct().Count());
    }

    [Theory]
    [InlineData("http://127.0.0.1:30000", null, "gpu-1", "a")]
    [InlineData("http://localhost:30000", null, "gpu-1", "a")]
    [InlineData("http://[::1]:30000", null, "gpu-1", "a")]
    [InlineData("http://10.0.0.1:30000", null, null, null)]
    [InlineData("http://127.0.0.1:30000", "gpu-7", "gpu-7", null)]
    public void An_engine_named_by_a_loopback_address_stands_where_it_was_named(
        string url, string? label, string? node, string? zone)
    {
        var named = EngineLocation.NamedOn(Silo("s", "gpu-1", "a"), Engine(url, label));
        Assert.Equal((node, zone), (named.Labels!.GetValueOrDefault("node"), named.Labels!.GetValueOrDefault("zone")));
    }
}
