using System.Net;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Processes;

[Collection(ProcessTests.Name)]
public class RoomSurvivalTests
{
    private const int Rooms = 400;

    [Fact]
    public async Task Acknowledged_rooms_outlive_the_silo_that_took_them_and_expire_all_the_same()
    {
        await using var cluster = await ProcessCluster.StartAsync(
            silos: 3, prefill: 1, decode: 1, more: ["--room-ttl-secs", "20"]);
        var rooms = Enumerable.Range(1, Rooms).Select(i => (long)i << 24).ToArray();
        // The silo that will die takes half of them, and holds some of the shards of the others, up to the moment it dies.
        var acknowledged = new List<long>();
        var registering = Task.WhenAll(rooms.Select(async (room, i) =>
        {
            try
            {
                if (await ProcessCluster.RegisterAsync(cluster.Silos[i % 2], room, i % 7) == HttpStatusCode.OK)
                {
                    lock (acknowledged)
                        acknowledged.Add(room);
                }
            }
            catch (HttpRequestException)
            {
                // The silo died before it acknowledged the registration.
            }
        }));
        await ProcessCluster.UntilAsync(() => Task.FromResult(Count() >= Rooms / 2), () => Task.FromResult($"{Count()}"), 60);
        await cluster.Silos[0].KillAsync();
        await registering;
        var left = cluster.Silos[2];
        var found = await EventuallyAsync(() => ProcessCluster.QueryAsync(left, acknowledged));
        Assert.All(acknowledged, room => Assert.Equal(Array.IndexOf(rooms, room) % 7, (int?)found[$"{room}"]));
        Assert.Equal(HttpStatusCode.Conflict, await ProcessCluster.RegisterAsync(left, acknowledged[0], 9));
        Assert.Equal(HttpStatusCode.OK, await ProcessCluster.RegisterAsync(
            left, acknowledged[0], (int)found[$"{acknowledged[0]}"]!));

        // They are served until they expire, and are dropped from Redis too, without a call.
        await using var redis = await cluster.Redis.ConnectAsync();
        await ProcessCluster.UntilAsync(
            async () => await StoredAsync() == 0, async () => $"{await StoredAsync()} are stored", 120);
        Assert.Empty(await ProcessCluster.QueryAsync(left, acknowledged));

        int Count()
        {
            lock (acknowledged)
                return acknowledged.Count;
        }

        async Task<long> StoredAsync()
        {
            var stored = 0L;
            for (var shard = 0; shard < 16; shard++)
                stored += (await redis.GetDatabase().HashKeysAsync($"test/rooms/{shard}")).Count(field => field != "writer");
            return stored;
        }
    }

    /// <summary>While the cluster has not noticed yet, a call may fail; it must not lie.</summary>
    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> ask)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ClusterStage.Token);
        limit.CancelAfter(TimeSpan.FromSeconds(120));
        while (true)
        {
            try
            {
                return await ask();
            }
            catch (Exception) when (!limit.IsCancellationRequested)
            {
                await Task.Delay(50, CancellationToken.None);
            }
        }
    }
}
