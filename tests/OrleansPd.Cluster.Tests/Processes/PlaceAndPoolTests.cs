using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Cluster.Tests.Support;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Processes;

[Collection(ProcessTests.Name)]
public class PlaceAndPoolTests
{
    [Fact]
    public async Task Worker_grains_leave_a_killed_silo_and_return_with_its_node()
    {
        await using var cluster = await ProcessCluster.StartAsync(
            silos: 2, prefill: 1, decode: 1, engine: null, probeTimeoutMs: null, "--node", "node-{n}");
        var (other, beside) = (cluster.Silos[0], cluster.Silos[1]); // the last names the engines, by loopback addresses
        await AreOnAsync(other, beside);
        await using var load = Load.Start(4, 2, other);
        await load.MoreAsync(10);
        await beside.KillAsync();
        await AreOnAsync(other, other);
        await load.MoreAsync(10);
        var again = await cluster.AddAsync(number: 1);
        await AreOnAsync(other, again);
        await load.MoreAsync(10);
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task A_target_size_survives_the_death_of_every_silo()
    {
        await using var cluster = await ProcessCluster.StartAsync(silos: 2, prefill: 1, decode: 1);
        await ScaleAsync(cluster.Silos[0], "decode/-", 5);
        await ScaleAsync(cluster.Silos[1], "prefill/org/model", 2);
        await cluster.Silos[0].KillAsync();
        await ToldAsync(cluster.Silos[1]);
        await cluster.Silos[1].KillAsync();
        // Only Redis knows it now. A silo that starts waits for silos whose heartbeat is less than 15 s old.
        await using var redis = await cluster.Redis.ConnectAsync();
        await ProcessCluster.UntilAsync(
            async () => (await LifeSignsAsync(redis)).All(sign => sign < DateTimeOffset.UtcNow.AddSeconds(-16)),
            async () => string.Join(", ", await LifeSignsAsync(redis)), 60);
        await ToldAsync(await cluster.AddAsync());
    }

    private static async Task<DateTimeOffset[]> LifeSignsAsync(ConnectionMultiplexer redis) =>
    [
        .. (await redis.GetDatabase().HashGetAllAsync("test/members/test")).Where(row => row.Name != "Version")
            .Select(row => JsonNode.Parse((string)row.Value!)!["IAmAliveTime"]!.GetValue<DateTimeOffset>()),
    ];

    private static async Task ScaleAsync(SiloProcess silo, string pool, int wanted)
    {
        using var answer = await silo.Client.PutAsync(
            $"pools/{pool}", new StringContent(
                $$"""{"wanted":{{wanted}}}""", Encoding.UTF8, "application/json"), ClusterStage.Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(ClusterStage.Token));
    }

    private static Task ToldAsync(SiloProcess silo) => ProcessCluster.UntilAsync(
        async () => JsonNode.Parse(await silo.Client.GetStringAsync("pools"))!["pools"]!.AsArray()
            .Select(p => $"{p!["pool"]} {p["wanted"]} {p["present"]}")
            .SequenceEqual(["prefill/-  1", "prefill/org/model 2 0", "decode/- 5 1"]),
        () => silo.Client.GetStringAsync("pools"), 120);

    /// <summary>Waits until the writers of all workers answer from one silo.</summary>
    private static Task AreOnAsync(SiloProcess asked, SiloProcess on) => ProcessCluster.UntilAsync(
        async () => JsonNode.Parse(await asked.Client.GetStringAsync("workers"))!["workers"]!.AsArray()
            .All(w => (string?)w!["silo"] == on.Address && (string?)w["phase"] == "ready"),
        async () => $"wanted on {on.Address}: {await asked.Client.GetStringAsync("workers")}", 120);
}
