using OrleansPd.Cluster.Rooms;
using OrleansPd.Cluster.Tests.Processes;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Rooms;
using OrleansPd.Server.Redis;

namespace OrleansPd.Cluster.Tests.Rooms;

public class RedisRoomLogTests
{
    private static readonly DateTimeOffset Deadline = DateTimeOffset.FromUnixTimeMilliseconds(4_102_444_800_123);

    [Fact]
    public async Task Rooms_are_read_back_as_they_were_stored()
    {
        await using var server = await RedisProcess.StartAsync();
        await using var redis = await server.ConnectAsync();
        var log = new RedisRoomLog(redis.GetDatabase(), "s");
        var opened = await log.OpenAsync(3, ClusterStage.Token);
        Assert.Empty(opened.Entries);
        RoomEntry[] entries = [new(1, 0, Deadline), new(long.MaxValue, 1023, Deadline), new(77, 5, Deadline)];
        Assert.Equal(RoomLogAnswer.Written, await log.WriteAsync(3, opened.Writer, entries, [], ClusterStage.Token));
        Assert.Equal(RoomLogAnswer.Written, await log.WriteAsync(3, opened.Writer, [], [77], ClusterStage.Token));
        Assert.Equal(RoomLogAnswer.Written, await log.WriteAsync(3, opened.Writer, [], [], ClusterStage.Token));
        Assert.Equal(entries[..2], (await log.OpenAsync(3, ClusterStage.Token)).Entries.OrderBy(e => e.Room));
        Assert.Empty((await log.OpenAsync(4, ClusterStage.Token)).Entries);
        Assert.Equal(RoomLogAnswer.Superseded, await log.WriteAsync(3, opened.Writer, entries, [], ClusterStage.Token));
    }

    [Fact]
    public async Task A_lost_shard_is_distinguished_from_one_with_another_writer()
    {
        await using var server = await RedisProcess.StartAsync();
        await using var redis = await server.ConnectAsync();
        var log = new RedisRoomLog(redis.GetDatabase(), "s");
        var first = await log.OpenAsync(0, ClusterStage.Token);
        await redis.GetDatabase().KeyDeleteAsync("s/rooms/0");
        RoomEntry[] all = [new(8, 1, Deadline)];
        Assert.Equal(RoomLogAnswer.Lost, await log.WriteAsync(0, first.Writer, all, [], ClusterStage.Token));
        Assert.Equal(RoomLogAnswer.Lost, await log.WriteAsync(0, first.Writer, [], [], ClusterStage.Token));
        Assert.True(await log.RefillAsync(0, first.Writer, all, ClusterStage.Token));
        Assert.False(await log.RefillAsync(0, 5, [], ClusterStage.Token));
        Assert.Equal(all, (await log.OpenAsync(0, ClusterStage.Token)).Entries);
    }
}
