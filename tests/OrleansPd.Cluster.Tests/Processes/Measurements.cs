namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Not run with the suite: figures for docs/cluster.md, from a machine without other load. Three silos with default membership
/// settings, eight prefill and eight decode engines, load through two gateways. ORLEANSPD_MEASURE is the number of runs.
/// </summary>
[Collection(ProcessTests.Name)]
public class Measurements(ITestOutputHelper output)
{
    private static readonly TimeSpan Watch = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(60);

    private static int Runs => int.TryParse(Environment.GetEnvironmentVariable("ORLEANSPD_MEASURE"), out var runs) ? runs : 5;

    [Fact(Explicit = true)]
    public Task A_silo_is_killed() => DeathsAsync(silo => silo.KillAsync());

    [Fact(Explicit = true)]
    public Task A_silo_freezes() => DeathsAsync(silo =>
    {
        silo.Freeze();
        return Task.CompletedTask;
    });

    [Fact(Explicit = true)]
    public Task Redis_is_unavailable_and_returns_empty() => OutagesAsync(
        cluster => RedisOutage.CauseAsync(cluster, Outage, cluster.Silos[0], cluster.Silos[1]));

    [Fact(Explicit = true)]
    public Task A_silo_is_killed_while_Redis_is_away() => OutagesAsync(
        cluster => RedisOutage.CauseWithDeathAsync(cluster, Outage, orphans: 8));

    private static Task<ProcessCluster> StartAsync() =>
        ProcessCluster.StartAsync(silos: 3, prefill: 8, decode: 8, probeTimeoutMs: 500);

    private async Task DeathsAsync(Func<SiloProcess, Task> strike)
    {
        var seen = new List<SiloDeath>();
        for (var run = 0; run < Runs; run++)
        {
            await using var cluster = await StartAsync();
            seen.Add(await SiloDeath.CauseAsync(cluster, strike, orphans: 16, atOnce: 8, Watch));
            output.WriteLine($"{seen[^1]}");
        }
        Report("legs gone, s", seen.Select(s => s.LegsGone.TotalSeconds));
        Report("writers answer, s", seen.Select(s => s.WritersAnswer.TotalSeconds));
        Report("room shards answer, s", seen.Select(s => s.RoomsAnswer.TotalSeconds));
        Report("slowest elsewhere, s", seen.Select(s => s.Slowest.TotalSeconds));
        Report("slowest elsewhere before, s", seen.Select(s => s.Before.TotalSeconds));
        Report("p99 elsewhere, s", seen.Select(s => s.P99.TotalSeconds));
        Report("p99 elsewhere before, s", seen.Select(s => s.P99Before.TotalSeconds));
        output.WriteLine($"{seen.Sum(s => s.Served)} requests elsewhere, {seen.Sum(s => s.Failures.Count)} failed");
        Assert.All(seen, s => Assert.Empty(s.Failures));
    }

    private async Task OutagesAsync(Func<ProcessCluster, Task<RedisOutage>> cause)
    {
        var seen = new List<RedisOutage>();
        for (var run = 0; run < Runs; run++)
        {
            await using var cluster = await StartAsync();
            seen.Add(await cause(cluster));
            output.WriteLine($"{seen[^1]}");
            Assert.All(cluster.Decode, e => Assert.Empty(e.Stats.RouterErrors));
        }
        Report("recovered after Redis, s", seen.Select(s => s.Recovered.TotalSeconds));
        Report("slowest, s", seen.Select(s => s.Slowest.TotalSeconds));
        Report("slowest before, s", seen.Select(s => s.Before.TotalSeconds));
        Report("p99, s", seen.Select(s => s.P99.TotalSeconds));
        output.WriteLine($"{seen.Sum(s => s.Served)} requests, {seen.Sum(s => s.Failures.Count)} failed");
        Assert.All(seen, s => Assert.Empty(s.Failures));
    }

    private void Report(string what, IEnumerable<double> figures)
    {
        double[] sorted = [.. figures.Order()];
        output.WriteLine(
            $"{what}: {sorted[0]:0.00} / {sorted[sorted.Length / 2]:0.00} / {sorted[^1]:0.00} (min / median / max of "
                + $"{sorted.Length})");
    }
}
