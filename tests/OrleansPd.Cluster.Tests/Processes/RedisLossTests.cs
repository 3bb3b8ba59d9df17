namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Redis that goes away, alone and together with a silo, and comes back empty. ORLEANSPD_TEST_REDIS_OUTAGE_SECS makes the outage
/// longer than the few seconds of an ordinary run.
/// </summary>
[Collection(ProcessTests.Name)]
public class RedisLossTests(ITestOutputHelper output)
{
    private static TimeSpan Outage { get; } = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_TEST_REDIS_OUTAGE_SECS"), out var secs) ? secs : 4);

    [Fact]
    public async Task Nothing_fails_without_Redis_and_an_empty_one_is_filled_again()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var seen = await RedisOutage.CauseAsync(cluster, Outage, [.. cluster.Silos]);
        output.WriteLine($"{seen}");
        Assert.Empty(seen.Failures);
        Assert.All(cluster.Decode, e => Assert.Empty(e.Stats.RouterErrors));
    }

    [Fact]
    public async Task A_silo_that_dies_while_Redis_is_away_is_cleared_away_when_Redis_is_back()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 3, prefill: 2, decode: 2);
        var seen = await RedisOutage.CauseWithDeathAsync(cluster, Outage, orphans: 4);
        output.WriteLine($"{seen}");
        Assert.Empty(seen.Failures);
    }
}
