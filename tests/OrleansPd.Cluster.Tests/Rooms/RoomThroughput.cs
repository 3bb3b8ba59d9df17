using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Cluster.Tests.Processes;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Rooms;
using OrleansPd.Server.Redis;

namespace OrleansPd.Cluster.Tests.Rooms;

/// <summary>Not run with the suite: figures for docs/cluster.md. <c>dotnet test … -- xUnit.Explicit=only</c>.</summary>
public class RoomThroughput(ITestOutputHelper output)
{
    [Fact(Explicit = true)]
    public async Task Registrations_acknowledged_per_second()
    {
        const int Total = 400_000;
        const int AtOnce = 4096;
        await using var server = await RedisProcess.StartAsync();
        await using var redis = await server.ConnectAsync();
        await using var stage = await ClusterStage.StartAsync(
            silos: 1, prefill: 1, decode: 1,
            silo: s => s.Services.AddSingleton<IRoomLog>(new RedisRoomLog(redis.GetDatabase(), "bench")));
        await stage.ReadyAsync();
        var plane = stage.Nodes[0].Plane;
        await RunAsync(20_000, 0);
        for (var round = 1; round <= 3; round++)
        {
            var began = Stopwatch.GetTimestamp();
            var cpu = Environment.CpuUsage.TotalTime;
            await RunAsync(Total / 4, round);
            var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
            output.WriteLine($"{Total / 4 / took:0} registrations/s acknowledged, "
                + $"{(Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / (Total / 4):0.0} us of CPU each ({AtOnce} at "
                + "once)");
        }

        // Nothing was acknowledged that Redis does not have.
        var stored = 0L;
        for (var shard = 0; shard < 16; shard++)
            stored += Math.Max(0, await redis.GetDatabase().HashLengthAsync($"bench/rooms/{shard}") - 1);
        Assert.Equal(20_000 + (3 * (Total / 4)), stored);

        async Task RunAsync(int count, int round)
        {
            var next = 0;
            await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
            {
                while (Interlocked.Increment(ref next) is var i && i <= count)
                {
                    var room = ((long)round << 32) + i;
                    Assert.Equal(RankRegistration.Stored, await plane.RegisterRankAsync(room, 1, ClusterStage.Token));
                }
            }));
        }
    }
}
