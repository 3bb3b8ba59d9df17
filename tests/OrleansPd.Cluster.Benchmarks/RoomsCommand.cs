using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime.Placement;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Options;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>One grain for each room against shards: both store each registration before they acknowledge it.</summary>
internal static class RoomsCommand
{
    public static async Task<int> RunAsync(int rooms)
    {
        await RunAsync("one grain for each room", rooms, host => new Alone(host));
        await RunAsync("shards (what ships)", rooms, host => new Shards(host));
        return 0;
    }

    private static async Task RunAsync(string name, int rooms, Func<IHost, IWay> make)
    {
        Console.WriteLine($"\n== {name}, {rooms} rooms");
        using var redis = await BenchRedis.StartAsync();
        using (var host = await BenchSilo.StartAsync(redis.Address, "one"))
        {
            var way = make(host);
            await Work.MeasureAsync(redis, Math.Min(rooms, 20_000), i => way.RegisterAsync(-1 - i)); // until the code is compiled
            var (heap, stored) = (Work.Heap(), redis.Read().Bytes);
            Console.WriteLine($"register      {await Work.MeasureAsync(redis, rooms, i => way.RegisterAsync(1 + i))}");
            Console.WriteLine($"memory        {(Work.Heap() - heap) / 1e6 / rooms * 100_000:0.0} MB of a silo's heap, "
                + $"{(redis.Read().Bytes - stored) / 1e6 / rooms * 100_000:0.0} MB of Redis, for 100,000 rooms");
            Console.WriteLine($"query         {await Work.MeasureAsync(redis, rooms, i => QueryAsync(way, 1 + i))}");
            await host.StopAsync();
        }
        await KillAsync(redis, rooms, make);
    }

    /// <summary>Two silos; one is killed, and all rooms are asked for at the other.</summary>
    private static async Task KillAsync(BenchRedis redis, int rooms, Func<IHost, IWay> make)
    {
        redis.Empty();
        using var host = await BenchSilo.StartAsync(redis.Address, "two");
        using var other = await OtherSilo.StartAsync(redis.Address, "two");
        var way = make(host);
        await way.SpreadAsync();
        await Work.MeasureAsync(redis, rooms, i => way.RegisterAsync(1 + i));
        await other.KillAsync();
        var killed = Stopwatch.GetTimestamp();
        var failed = 0;
        var first = 0L;
        // The silo that died had about half: each is asked for until it answers.
        var work = await Work.MeasureAsync(redis, rooms, async i =>
        {
            while (true)
            {
                try
                {
                    await QueryAsync(way, 1 + i);
                    return;
                }
                catch (Exception)
                {
                    Interlocked.Increment(ref failed);
                    Interlocked.CompareExchange(ref first, Stopwatch.GetTimestamp(), 0);
                    await Task.Delay(20);
                }
            }
        });
        var all = Stopwatch.GetElapsedTime(killed).TotalSeconds;
        var verdict = first == 0 ? 0 : Stopwatch.GetElapsedTime(killed, first).TotalSeconds;
        Console.WriteLine($"after a kill  all rooms answer after {all:0.00} s, {Math.Max(0, all - verdict):0.00} s of it after "
            + "the first failed "
            + $"call ({failed} failed); {work.SiloCpu:0.0} us of silo CPU and {work.RedisCommands:0.00} Redis commands a room");
        await host.StopAsync();
    }

    private static async Task QueryAsync(IWay way, long room)
    {
        if (await way.QueryAsync(room) != 3)
            throw new InvalidOperationException($"room {room} is not known");
    }

    private interface IWay
    {
        /// <summary>Sees to it that half of the rooms will be at each silo.</summary>
        Task SpreadAsync();

        Task RegisterAsync(long room);

        Task<int> QueryAsync(long room);
    }

    private sealed class Alone(IHost host) : IWay
    {
        private readonly IGrainFactory _grains = host.Services.GetRequiredService<IGrainFactory>();

        /// <summary>Chance does.</summary>
        public Task SpreadAsync() => Task.CompletedTask;

        public Task RegisterAsync(long room) => _grains.GetGrain<IRoomAlone>(room).Register(3);

        public Task<int> QueryAsync(long room) => _grains.GetGrain<IRoomAlone>(room).Query();
    }

    private sealed class Shards(IHost host) : IWay
    {
        private readonly ClusterControlPlane _plane = host.Services.GetRequiredService<ClusterControlPlane>();

        public async Task SpreadAsync()
        {
            var members = host.Services.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.Members.Values;
            var silos = members.Where(m => m.Status == SiloStatus.Active).Select(m => m.SiloAddress).ToArray();
            var grains = host.Services.GetRequiredService<IGrainFactory>();
            for (var shard = 0; shard < new PdClusterOptions().RoomShards; shard++)
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, silos[shard % silos.Length]);
                await grains.GetGrain<IBootstrapRoomGrain>(shard).Query([]);
            }
        }

        public async Task RegisterAsync(long room)
        {
            if (await _plane.RegisterRankAsync(room, 3, CancellationToken.None) != RankRegistration.Stored)
                throw new InvalidOperationException($"room {room} is not stored");
        }

        public async Task<int> QueryAsync(long room)
        {
            var ranks = new int[1];
            await _plane.QueryRanksAsync(new[] { room }, ranks, CancellationToken.None);
            return ranks[0];
        }
    }
}
