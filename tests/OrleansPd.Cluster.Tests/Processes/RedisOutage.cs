using System.Diagnostics;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>What was seen when Redis went away, and came back empty, while all gateways served.</summary>
/// <param name="Recovered">From Redis' return until the membership table was whole again, or a silo's legs were gone.</param>
/// <param name="Before">The slowest request before.</param>
/// <param name="P99Before">Of a hundred in the time before, the slowest but one.</param>
/// <param name="Slowest">The slowest request from then on.</param>
/// <param name="P99">Of a hundred from then on, the slowest but one.</param>
/// <param name="Failures">What failed.</param>
/// <param name="Served">What was answered.</param>
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
            async () => before.ToHashSet().IsSubsetOf(await RowsAsync(redis)), () => SaidAsync(cluster), 90);
        var recovered = Stopwatch.GetElapsedTime(back);
        // The same cluster as before: who comes now joins it and serves its engines.
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

    /// <summary>Redis, and then the first silo, which is not loaded but for the requests that it leaves behind.</summary>
    public static async Task<RedisOutage> CauseWithDeathAsync(ProcessCluster cluster, TimeSpan outage, int orphans)
    {
        var victim = cluster.Silos[0];
        var abandoned = await SiloDeath.OrphansAsync(cluster, victim, orphans);
        await using var load = Load.Start(AtOnce, 2, [.. cluster.Silos.Skip(1)]);
        var (slowest, p99) = await CalmAsync(load);
        await cluster.Redis.StopAsync();
        await victim.KillAsync();
        await load.ForAsync(outage); // on the last snapshot: nobody can declare the silo dead
        Assert.Empty(load.Failures);
        var back = Stopwatch.GetTimestamp();
        await cluster.Redis.StartAgainAsync();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= orphans), () => SaidAsync(cluster), 150);
        var recovered = Stopwatch.GetElapsedTime(back);
        await ProcessCluster.UntilAsync(() => ProcessCluster.WritersAnswerAsync(cluster.Silos[1]), () => SaidAsync(cluster), 60);
        Assert.All(abandoned, orphan => Assert.True(orphan.IsFaulted));
        return await EndAsync(load, recovered, slowest, p99);
    }

    public override string ToString() =>
        $"recovered {Recovered.TotalSeconds:0.0} s after Redis; {Served} requests, {Failures.Count} failed, "
        + $"slowest {Slowest.TotalMilliseconds:0} ms, p99 {P99.TotalMilliseconds:0} ms (before: {Before.TotalMilliseconds:0}, "
        + $"{P99Before.TotalMilliseconds:0})";

    private static async Task<(TimeSpan Slowest, TimeSpan P99)> CalmAsync(Load load)
    {
        await load.ForAsync(SiloDeath.Told);
        load.ForgetTimes();
        await load.ForAsync(SiloDeath.Told);
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

    private static async Task<string[]> RowsAsync(ConnectionMultiplexer redis)
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

    private static Task<string> SaidAsync(ProcessCluster cluster) =>
        Task.FromResult(string.Join("\n----\n", cluster.Silos.Select(s => s.Said)));
}
