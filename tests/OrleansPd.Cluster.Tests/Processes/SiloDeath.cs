using System.Diagnostics;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>The death of a silo with requests in flight, while the other silos served requests.</summary>
/// <param name="LegsGone">Time from the failure until all its requests were aborted on the engines.</param>
/// <param name="WritersAnswer">Time until the writers of all workers answered.</param>
/// <param name="RoomsAnswer">Time until all room shards answered.</param>
/// <param name="Before">The slowest request at the other silos before the failure.</param>
/// <param name="P99Before">The 99th percentile before the failure.</param>
/// <param name="Slowest">The slowest request at the other silos from the failure on.</param>
/// <param name="P99">The 99th percentile from the failure on.</param>
/// <param name="Failures">Failed requests at the other silos.</param>
/// <param name="Served">Their completed requests.</param>
internal sealed record SiloDeath(
    TimeSpan LegsGone, TimeSpan WritersAnswer, TimeSpan RoomsAnswer, TimeSpan Before, TimeSpan P99Before, TimeSpan Slowest,
    TimeSpan P99,
    IReadOnlyList<string> Failures, int Served)
{
    /// <summary>Tokens of a request that outlives any test, about 20 ms each.</summary>
    private const int Long = 30_000;

    /// <summary>
    /// Enough time for a gateway to report its requests to other silos: they cannot abort what they do not know.
    /// </summary>
    public static readonly TimeSpan WitnessDelay = TimeSpan.FromSeconds(1);

    /// <summary>Makes the first silo fail under load at all others.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="strike">Makes the silo fail.</param>
    /// <param name="orphans">Requests in flight at the silo, too long to complete.</param>
    /// <param name="atOnce">Concurrent requests at the others.</param>
    /// <param name="watch">Shortest time of load before and after.</param>
    public static async Task<SiloDeath> CauseAsync(
        ProcessCluster cluster, Func<SiloProcess, Task> strike, int orphans, int atOnce, TimeSpan watch)
    {
        var (victim, left) = (cluster.Silos[0], cluster.Silos.Skip(1).ToArray());
        var abandoned = await OrphansAsync(cluster, victim, orphans);
        await using var load = Load.Start(atOnce, 2, left);
        await load.ForAsync(WitnessDelay);
        load.ForgetTimes();
        await load.ForAsync(watch);
        var (before, p99Before) = (load.Slowest, load.P99);
        load.ForgetTimes();
        var since = Stopwatch.GetTimestamp();
        await strike(victim);
        var writers = TimedAsync(
            () => ProcessCluster.WritersAnswerAsync(left[0]), () => left[0].Client.GetStringAsync("workers"), since);
        var rooms = TimedAsync(() => ProcessCluster.ShardsAnswerAsync(left[0]), () => Task.FromResult(left[0].Output), since);
        var gone = await TimedAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= orphans),
            () => Task.FromResult($"{cluster.Decode.Sum(e => e.Stats.AbortedTotal)} of {orphans} aborted, "
                + $"{string.Join("; ", abandoned.Select(o => $"{o.Status} {o.Exception?.InnerException?.Message}"))}\n"
                + string.Join("\n", cluster.Silos.Select(l => l.Output))), since);
        var (writersAnswer, roomsAnswer) = (await writers, await rooms);
        await load.ForAsync(watch);
        await load.MoreAsync(20);
        await load.DisposeAsync(); // requests in flight count
        foreach (var orphan in abandoned)
        {
            _ = orphan.ContinueWith(o => o.Exception, TaskScheduler.Default); // failed with its gateway
        }
        return new(gone, writersAnswer, roomsAnswer, before, p99Before, load.Slowest, load.P99, load.Failures, load.Done);
    }

    /// <summary>Starts requests at the silo that are too long to complete.</summary>
    public static async Task<Task[]> OrphansAsync(ProcessCluster cluster, SiloProcess victim, int count)
    {
        var requests = Enumerable.Range(0, count)
            .Select(_ => (Task)ProcessCluster.GenerateAsync(victim, Long, ClusterStage.Token)).ToArray();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.Running) == count),
            () => Task.FromResult(
                $"{cluster.LiveRequests} live; {string.Join("; ", requests.Select(r => r.Status))}\n{victim.Output}"), 60);
        return requests;
    }

    public override string ToString() =>
        $"legs gone after {LegsGone.TotalSeconds:0.00} s, writers answer after {WritersAnswer.TotalSeconds:0.00} s, room shards "
            + "after "
        + $"{RoomsAnswer.TotalSeconds:0.00} s; elsewhere {Served} requests, {Failures.Count} failed, "
        + $"slowest {Slowest.TotalMilliseconds:0} ms, p99 {P99.TotalMilliseconds:0} ms (before: {Before.TotalMilliseconds:0}, "
        + $"{P99Before.TotalMilliseconds:0})";

    private static async Task<TimeSpan> TimedAsync(Func<Task<bool>> condition, Func<Task<string>> state, long since)
    {
        await ProcessCluster.UntilAsync(condition, state, 60);
        return Stopwatch.GetElapsedTime(since);
    }
}
