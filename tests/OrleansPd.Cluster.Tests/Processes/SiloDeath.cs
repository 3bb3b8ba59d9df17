using System.Diagnostics;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>What was seen when a silo died with requests in flight, while its neighbours served others.</summary>
/// <param name="LegsGone">From the strike until all its requests were aborted on the engines.</param>
/// <param name="WritersAnswer">Until the writers of all workers answered.</param>
/// <param name="RoomsAnswer">Until all shards of the rooms answered.</param>
/// <param name="Before">The slowest request at the neighbours in the time before.</param>
/// <param name="P99Before">Of a hundred in the time before, the slowest but one.</param>
/// <param name="Slowest">The slowest request at the neighbours from the strike on.</param>
/// <param name="P99">Of a hundred from the strike on, the slowest but one.</param>
/// <param name="Failures">What failed at the neighbours.</param>
/// <param name="Served">What they answered.</param>
internal sealed record SiloDeath(
    TimeSpan LegsGone, TimeSpan WritersAnswer, TimeSpan RoomsAnswer, TimeSpan Before, TimeSpan P99Before, TimeSpan Slowest,
    TimeSpan P99,
    IReadOnlyList<string> Failures, int Served)
{
    /// <summary>Tokens of a request that outlives any test: some 20 ms each.</summary>
    private const int Long = 30_000;

    /// <summary>
    /// Ample time for a gateway to tell others what it has begun: what they have not heard of, they cannot abort.
    /// </summary>
    public static readonly TimeSpan Told = TimeSpan.FromSeconds(1);

    /// <summary>Strikes the first silo; the load is at all others.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="strike">What happens to the silo.</param>
    /// <param name="orphans">Requests in flight at the silo that will not end by themselves.</param>
    /// <param name="atOnce">Requests at once at the others.</param>
    /// <param name="watch">How long the others are watched, before and after: no less than this.</param>
    public static async Task<SiloDeath> CauseAsync(
        ProcessCluster cluster, Func<SiloProcess, Task> strike, int orphans, int atOnce, TimeSpan watch)
    {
        var (victim, left) = (cluster.Silos[0], cluster.Silos.Skip(1).ToArray());
        var abandoned = await OrphansAsync(cluster, victim, orphans);
        await using var load = Load.Start(atOnce, 2, left);
        await load.ForAsync(Told);
        load.ForgetTimes();
        await load.ForAsync(watch);
        var (before, p99Before) = (load.Slowest, load.P99);
        load.ForgetTimes();
        var since = Stopwatch.GetTimestamp();
        await strike(victim);
        var writers = TimedAsync(
            () => ProcessCluster.WritersAnswerAsync(left[0]), () => left[0].Client.GetStringAsync("workers"), since);
        var rooms = TimedAsync(() => ProcessCluster.ShardsAnswerAsync(left[0]), () => Task.FromResult(left[0].Said), since);
        var gone = await TimedAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= orphans),
            () => Task.FromResult($"{cluster.Decode.Sum(e => e.Stats.AbortedTotal)} of {orphans} aborted, "
                + $"{string.Join("; ", abandoned.Select(o => $"{o.Status} {o.Exception?.InnerException?.Message}"))}\n"
                + string.Join("\n", cluster.Silos.Select(l => l.Said))), since);
        var (writersAnswer, roomsAnswer) = (await writers, await rooms);
        await load.ForAsync(watch);
        await load.MoreAsync(20);
        await load.DisposeAsync(); // all that is under way counts
        foreach (var orphan in abandoned)
        {
            _ = orphan.ContinueWith(o => o.Exception, TaskScheduler.Default); // each ended with its gateway
        }
        return new(gone, writersAnswer, roomsAnswer, before, p99Before, load.Slowest, load.P99, load.Failures, load.Done);
    }

    /// <summary>Requests at the silo that will not end by themselves.</summary>
    public static async Task<Task[]> OrphansAsync(ProcessCluster cluster, SiloProcess victim, int count)
    {
        var requests = Enumerable.Range(0, count)
            .Select(_ => (Task)ProcessCluster.GenerateAsync(victim, Long, ClusterStage.Token)).ToArray();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.Running) == count),
            () => Task.FromResult(
                $"{cluster.LiveRequests} live; {string.Join("; ", requests.Select(r => r.Status))}\n{victim.Said}"), 60);
        return requests;
    }

    public override string ToString() =>
        $"legs gone after {LegsGone.TotalSeconds:0.00} s, writers answer after {WritersAnswer.TotalSeconds:0.00} s, room shards after "
        + $"{RoomsAnswer.TotalSeconds:0.00} s; elsewhere {Served} requests, {Failures.Count} failed, "
        + $"slowest {Slowest.TotalMilliseconds:0} ms, p99 {P99.TotalMilliseconds:0} ms (before: {Before.TotalMilliseconds:0}, {P99Before.TotalMilliseconds:0})";

    private static async Task<TimeSpan> TimedAsync(Func<Task<bool>> condition, Func<Task<string>> state, long since)
    {
        await ProcessCluster.UntilAsync(condition, state, 60);
        return Stopwatch.GetElapsedTime(since);
    }
}
