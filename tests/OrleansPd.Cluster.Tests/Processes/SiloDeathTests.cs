using System.Diagnostics;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Silos that die with requests in flight. The figures of an idle machine are in docs/cluster.md; the bounds here are for busy
/// ones, and for silos that are given three times the default time.
/// </summary>
[Collection(ProcessTests.Name)]
public class SiloDeathTests(ITestOutputHelper output)
{
    private const int Long = 3000;

    /// <summary>Ample time for a gateway to tell others what it has begun: what they have not heard of, they cannot abort.</summary>
    public static readonly TimeSpan Told = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_silo_that_is_killed_leaves_nothing_on_the_engines_and_no_request_elsewhere_fails()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var (victim, left) = (cluster.Silos[0], cluster.Silos.Skip(1).ToArray());
        var orphans = await OrphansAsync(cluster, victim, 8);
        await using var load = Load.Start(8, 2, left);
        await load.ForAsync(Told);
        load.ForgetSlowest();
        var killed = Stopwatch.GetTimestamp();
        await victim.KillAsync();
        await WatchAsync(cluster, load, left, killed, orphans);
    }

    [Fact]
    public async Task A_silo_that_hangs_is_taken_for_dead_and_ends_when_it_goes_on()
    {
        // Four slots in all: two writers of one engine would show as a fifth request.
        await using var cluster = await ProcessCluster.StartAsync(
            silos: 3, prefill: 2, decode: 1, engine => engine with { MaxRunningRequests = 4, DecodeExtraSlots = 0 });
        var (victim, left) = (cluster.Silos[0], cluster.Silos.Skip(1).ToArray());
        var orphans = await OrphansAsync(cluster, victim, 2);
        await using var load = Load.Start(12, 2, left);
        await load.ForAsync(Told);
        load.ForgetSlowest();
        var frozen = Stopwatch.GetTimestamp();
        victim.Freeze();
        await WatchAsync(cluster, load, left, frozen, orphans);
        victim.Thaw();
        Assert.Equal(1, await victim.ExitAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("took this silo for dead", victim.Said, StringComparison.Ordinal);
        await load.MoreAsync(20);
        Assert.Empty(load.Failures);
        Assert.InRange(cluster.Decode[0].Stats.Ranks[0].MaxOccupiedSeen, 1, 4);
        Assert.Equal(0, cluster.Decode[0].Stats.DuplicateRooms);
    }

    [Fact]
    public async Task A_silo_that_is_stopped_ends_its_requests_first_and_nobody_notices()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 2, prefill: 1, decode: 1);
        var running = ProcessCluster.GenerateAsync(cluster.Silos[0], 150, ClusterStage.Token);
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode[0].Stats.Running == 1), () => Task.FromResult(cluster.Silos[0].Said), 60);
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

    /// <summary>Requests at the victim that will not end by themselves.</summary>
    private static async Task<Task[]> OrphansAsync(ProcessCluster cluster, SiloProcess victim, int count)
    {
        // Long enough that their ids were told.
        var requests = Enumerable.Range(0, count).Select(_ => (Task)ProcessCluster.GenerateAsync(victim, Long, ClusterStage.Token)).ToArray();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.Running) == count),
            () => Task.FromResult($"{cluster.LiveRequests} live; {string.Join("; ", requests.Select(r => r.Status))}"), 60);
        return requests;
    }

    private async Task WatchAsync(ProcessCluster cluster, Load load, SiloProcess[] left, long since, Task[] orphans)
    {
        var answering = ProcessCluster.UntilAsync(
            () => ProcessCluster.WritersAnswerAsync(left[0]), () => left[0].Client.GetStringAsync("workers"), 60);
        var answered = answering.ContinueWith(_ => Stopwatch.GetElapsedTime(since), TaskScheduler.Default);
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= orphans.Length),
            () => Task.FromResult(string.Join("\n", left.Select(l => l.Said))), 60);
        var gone = Stopwatch.GetElapsedTime(since);
        await answering;
        await load.MoreAsync(20);
        output.WriteLine($"legs gone after {gone.TotalSeconds:0.00} s, grains answer after {(await answered).TotalSeconds:0.00} s, "
            + $"slowest request elsewhere {load.Slowest.TotalMilliseconds:0} ms of {load.Done}");
        Assert.Empty(load.Failures);
        Assert.InRange(load.Slowest, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        foreach (var orphan in orphans)
        {
            _ = orphan.ContinueWith(o => o.Exception, TaskScheduler.Default); // each ended with its gateway
        }
    }
}
