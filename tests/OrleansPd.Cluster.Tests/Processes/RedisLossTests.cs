namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Redis stops, alone and together with a silo, and comes back empty. ORLEANSPD_TEST_REDIS_OUTAGE_SECS makes the outage longer
/// than the four seconds of an ordinary run.
/// </summary>
[Collection(ProcessTests.Name)]
public class RedisLossTests(ITestOutputHelper output)
{
    private static TimeSpan Outage { get; } = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_TEST_REDIS_OUTAGE_SECS"), out var secs) ? secs : 4);

    [Fact]
    public async Task Nothing_fails_without_Redis_and_an_empty_one_is_restored()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var seen = await RedisOutage.CauseAsync(cluster, Outage, [.. cluster.Silos]);
        output.WriteLine($"{seen}");
        Assert.Empty(seen.Failures);
        Assert.All(cluster.Decode, e => Assert.Empty(e.Stats.RouterErrors));
    }

    [Fact]
    public async Task A_silo_that_dies_without_Redis_is_declared_dead_when_Redis_is_back()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var seen = await RedisOutage.CauseWithDeathAsync(cluster, Outage, orphans: 4);
        output.WriteLine($"{seen}");
        Assert.Empty(seen.Failures);
    }

    [Fact]
    public async Task A_silo_that_joined_just_before_Redis_lost_its_data_stays()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 2, prefill: 1, decode: 1);
        var late = await cluster.AddAsync();
        await cluster.Redis.StopAsync(); // before the others have read the table
        await cluster.Redis.StartAgainAsync();
        await using var redis = await cluster.Redis.ConnectAsync();
        await ProcessCluster.UntilAsync(
            async () => (await RedisOutage.RowsAsync(redis)).Length == 3,
            () => Task.FromResult(string.Join("\n----\n", cluster.Silos.Select(s => s.Output))), 90);
        await cluster.ReadyAsync();
        await using var load = Load.Start(4, 2, [.. cluster.Silos]);
        await load.ForAsync(TimeSpan.FromSeconds(5)); // longer than a silo needs to find itself missing
        await load.DisposeAsync();
        Assert.Empty(load.Failures);
        Assert.False(late.HasExited);
        Assert.All(cluster.Silos, silo => Assert.False(silo.HasExited));
    }
}
