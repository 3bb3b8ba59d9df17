using System.Diagnostics;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>An outage of Redis, which came back empty, while all gateways served.</summary>
/// <param name="Recovered">Time from Redis' return until the membership table was complete, or a dead silo's legs were
/// gone.</param>
/// <param name="Before">The slowest request before the outage.</param>
/// <param name="P99Before">The 99th percentile before the outage.</param>
/// <param name="Slowest">The slowest request from then on.</param>
/// <param name="P99">The 99th percentile from then on.</param>
/// <param name="Failures">Failed requests.</param>
/// <param name="Served">Completed requests.</param>
internal sealed record RedisOutage(
    TimeSpan Recovered, TimeSpan Before, TimeSpan P99Before, TimeSpan Slowest, TimeSpan P99, IReadOnlyList<string> Failures,
    int Served)
{
    private const string Members = "test/members/test";
    private const int AtOnce = 8;

    /// <summary>Redis alone. Afterwards a silo joins, and serves the same engines.</summary>
    public static async Task<RedisOutage> CauseAsync(ProcessCluster cluster, TimeSpan outage, params SiloProcess[] loaded)
    {
        await using var redis = await cluster.Redis.ConnectAsync();
        var before = await RowsAsync(redis);
        Assert.Equal(cluster.Silos.Count, before.Length);
        await using var load = Load.Start(AtOnce, 2, loaded);
        var (slowest, p99) = await CalmAsync(load);
        await cluster.Redis.StopAsync();
        await load.ForAsync(outage);
        var back = Stopwatch.GetTimestamp();
        await cluster.Redis.StartAgainAsync();
        await ProcessCluster.UntilAsync(
            async () => before.ToHashSet().IsSubsetOf(await RowsAsync(redis)), () => OutputAsync(cluster), 90);
        var recovered = Stopwatch.GetElapsedTime(back);
        // The same cluster as before: a silo that starts now joins it and serves its engines.
        var late = await cluster.AddAsync();
        await cluster.ReadyAsync();
        await using (var more = Load.Start(2, 2, late))
        {
            await more.MoreAsync(10);
            await more.DisposeAsync();
            Assert.Empty(more.Failures);
        }
        return await EndAsync(load, recovered, slowest, p99);
    }

    /// <summary>Redis stops, then the first silo dies, with no requests but the orphans it leaves.</summary>
    public static async Task<RedisOutage> CauseWithDeathAsync(ProcessCluster cluster, TimeSpan outage, int orphans)
    {
        var victim = cluster.Silos[0];
        var abandoned = await SiloDeath.OrphansAsync(cluster, victim, orphans);
        await using var load = Load.Start(AtOnce, 2, [.. cluster.Silos.Skip(1)]);
        var (slowest, p99) = await CalmAsync(load);
        await cluster.Redis.StopAsync();
        await victim.KillAsync();
        await load.ForAsync(outage); // on the last snapshot: no silo can be declared dead
        Assert.Empty(load.Failures);
        var back = Stopwatch.GetTimestamp();
        await cluster.Redis.StartAgainAsync();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= orphans), () => OutputAsync(cluster), 150);
        var recovered = Stopwatch.GetElapsedTime(back);
        await ProcessCluster.UntilAsync(
            () => ProcessCluster.WritersAnswerAsync(cluster.Silos[1]), () => OutputAsync(cluster), 60);
        Assert.All(abandoned, orphan => Assert.True(orphan.IsFaulted));
        return await EndAsync(load, recovered, slowest, p99);
    }

    public override string ToString() =>
        $"recovered {Recovered.TotalSeconds:0.0} s after Redis; {Served} requests, {Failures.Count} failed, "
        + $"slowest {Slowest.TotalMilliseconds:0} ms, p99 {P99.TotalMilliseconds:0} ms (before: {Before.TotalMilliseconds:0}, "
        + $"{P99Before.TotalMilliseconds:0})";

    private static async Task<(TimeSpan Slowest, TimeSpan P99)> CalmAsync(Load load)
    {
        await load.ForAsync(SiloDeath.WitnessDelay);
        load.ForgetTimes();
        await load.ForAsync(SiloDeath.WitnessDelay);
        var calm = (load.Slowest, load.P99);
        load.ForgetTimes();
        return calm;
    }

    private static async Task<RedisOutage> EndAsync(Load load, TimeSpan recovered, TimeSpan before, TimeSpan p99Before)
    {
        await load.MoreAsync(20);
        await load.DisposeAsync();
        return new(recovered, before, p99Before, load.Slowest, load.P99, load.Failures, load.Done);
    }

    /// <summary>Silos in the membership table; none while Redis does not answer.</summary>
    public static async Task<string[]> RowsAsync(ConnectionMultiplexer redis)
    {
        try
        {
            return [.. (await redis.GetDatabase().HashKeysAsync(Members)).Select(k => k.ToString()).Where(k => k != "Version")];
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            return []; // not yet
        }
    }

    private static Task<string> OutputAsync(ProcessCluster cluster) =>
        Task.FromResult(string.Join("\n----\n", cluster.Silos.Select(s => s.Output)));
}
