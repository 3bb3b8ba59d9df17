using System.Diagnostics;
using OrleansPd.Cluster.Tests.Support;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Redis that goes away, alone and together with a silo, and comes back empty. ORLEANSPD_TEST_REDIS_OUTAGE_SECS makes the outage
/// longer than the few seconds of an ordinary run.
/// </summary>
[Collection(ProcessTests.Name)]
public class RedisLossTests(ITestOutputHelper output)
{
    private const string Members = "test/members/test";

    private static TimeSpan Outage { get; } = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_TEST_REDIS_OUTAGE_SECS"), out var secs) ? secs : 4);

    [Fact]
    public async Task Nothing_fails_without_Redis_and_an_empty_one_is_filled_again()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        await using var redis = await cluster.Redis.ConnectAsync();
        var before = await RowsAsync(redis);
        Assert.Equal(3, before.Length);
        await using var load = Load.Start(8, 2, [.. cluster.Silos]);
        await load.MoreAsync(20);
        load.ForgetSlowest();
        await cluster.Redis.StopAsync();
        var stopped = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(stopped) < Outage)
        {
            await load.MoreAsync(20);
        }
        await cluster.Redis.StartAgainAsync();
        var back = Stopwatch.GetTimestamp();
        await ProcessCluster.UntilAsync(async () => before.ToHashSet().IsSubsetOf(await RowsAsync(redis)), () => SaidAsync(cluster), 90);
        output.WriteLine($"membership is stored again {Stopwatch.GetElapsedTime(back).TotalSeconds:0.0} s after Redis; slowest {load.Slowest.TotalMilliseconds:0} ms");
        // The same cluster as before: who comes now joins it and serves its engines.
        var late = await cluster.AddAsync();
        await cluster.ReadyAsync();
        await using (var more = Load.Start(2, 2, late))
        {
            await more.MoreAsync(10);
            Assert.Empty(more.Failures);
        }
        await load.MoreAsync(20);
        Assert.Empty(load.Failures);
        Assert.All(cluster.Decode, e => Assert.Empty(e.Stats.RouterErrors));
    }

    [Fact]
    public async Task A_silo_that_dies_while_Redis_is_away_is_cleared_away_when_Redis_is_back()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var victim = cluster.Silos[0];
        var orphans = Enumerable.Range(0, 4).Select(_ => ProcessCluster.GenerateAsync(victim, 3000, ClusterStage.Token)).ToArray();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.Running) == 4), () => SaidAsync(cluster), 60);
        await using var load = Load.Start(8, 2, [.. cluster.Silos.Skip(1)]);
        await load.ForAsync(SiloDeathTests.Told);
        await cluster.Redis.StopAsync();
        await victim.KillAsync();
        var killed = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(killed) < Outage)
        {
            await load.MoreAsync(20); // on the last snapshot: nobody can declare the silo dead
        }
        Assert.Empty(load.Failures);
        await cluster.Redis.StartAgainAsync();
        var back = Stopwatch.GetTimestamp();
        await ProcessCluster.UntilAsync(
            () => Task.FromResult(cluster.Decode.Sum(e => e.Stats.AbortedTotal) >= 4), () => SaidAsync(cluster), 150);
        output.WriteLine($"the dead silo's legs are gone {Stopwatch.GetElapsedTime(back).TotalSeconds:0.0} s after Redis came back");
        await ProcessCluster.UntilAsync(() => ProcessCluster.WritersAnswerAsync(cluster.Silos[1]), () => SaidAsync(cluster), 60);
        await load.MoreAsync(20);
        Assert.Empty(load.Failures);
        Assert.All(orphans, orphan => Assert.True(orphan.IsFaulted));
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

    private static Task<string> SaidAsync(ProcessCluster cluster) => Task.FromResult(string.Join("\n----\n", cluster.Silos.Select(s => s.Said)));
}
