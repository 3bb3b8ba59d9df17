using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Silos that die with requests in flight. The figures of an idle machine are in docs/cluster.md; the bounds here are for busy
/// machines, and for silos with three times the default probe timeout.
/// </summary>
[Collection(ProcessTests.Name)]
public class SiloDeathTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Watch = TimeSpan.FromSeconds(0.5);

    [Fact]
    public async Task A_silo_that_is_killed_leaves_nothing_on_the_engines_and_no_request_elsewhere_fails()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        Check(await SiloDeath.CauseAsync(cluster, silo => silo.KillAsync(), orphans: 8, atOnce: 8, Watch));
    }

    [Fact]
    public async Task A_frozen_silo_is_declared_dead_and_ends_when_it_continues()
    {
        // Four slots in all: two writers of one engine would show as a fifth request.
        await using var cluster = await ProcessCluster.StartAsync(
            silos: 3, prefill: 2, decode: 1, engine => engine with { MaxRunningRequests = 4, DecodeExtraSlots = 0 });
        var victim = cluster.Silos[0];
        Check(await SiloDeath.CauseAsync(cluster, FreezeAsync, orphans: 2, atOnce: 12, Watch));
        victim.Thaw();
        Assert.Equal(1, await victim.ExitAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("declared this silo dead", victim.Output, StringComparison.Ordinal);
        await using var load = Load.Start(4, 2, [.. cluster.Silos.Skip(1)]);
        await load.MoreAsync(20);
        await load.DisposeAsync();
        Assert.Empty(load.Failures);
        Assert.InRange(cluster.Decode[0].Stats.Ranks[0].MaxOccupiedSeen, 1, 4);
        Assert.Equal(0, cluster.Decode[0].Stats.DuplicateRooms);
    }

    [Fact]
    public async Task A_silo_that_is_stopped_completes_its_requests_first_and_no_client_notices()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 2, prefill: 1, decode: 1);
        var running = ProcessCluster.GenerateAsync(cluster.Silos[0], 150, ClusterStage.Token);
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode[0].Stats.Running == 1), () => Task.FromResult(cluster.Silos[0].Output), 60);
        await using var load = Load.Start(4, 2, cluster.Silos[1]);
        await load.MoreAsync(10);
        cluster.Silos[0].End();
        using var answer = await running;
        Assert.True(answer.IsSuccessStatusCode);
        Assert.Equal(0, await cluster.Silos[0].ExitAsync(TimeSpan.FromMinutes(1)));
        await load.MoreAsync(10);
        Assert.Empty(load.Failures);
        Assert.Equal(0, cluster.Decode[0].Stats.AbortedTotal);
    }

    private static Task FreezeAsync(SiloProcess silo)
    {
        silo.Freeze();
        return Task.CompletedTask;
    }

    private void Check(SiloDeath seen)
    {
        output.WriteLine($"{seen}");
        Assert.Empty(seen.Failures);
        Assert.InRange(seen.Slowest, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }
}
