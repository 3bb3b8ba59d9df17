using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Cluster.Tests.Processes;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Rooms;
using OrleansPd.Server.Redis;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Rooms;

[Collection(ProcessTests.Name)]
public class RoomReminderTests
{
    private const string Service = "reminded";

    /// <summary>How a grain's own timer calls it.</summary>
    private const string TimerTick = "InvokeCallbackAsync";

    [Fact]
    public async Task Rooms_of_a_dead_silo_expire_without_a_call()
    {
        await using var server = await RedisProcess.StartAsync();
        await using var redis = await server.ConnectAsync();
        var calls = new ConcurrentQueue<Call>();
        await using var stage = await ClusterStage.StartAsync(
            silos: 3, prefill: 1, decode: 1, options: o => o.RoomTtlSecs = 10, silo: silo =>
            {
                silo.Services.AddSingleton<IRoomLog>(new RedisRoomLog(redis.GetDatabase(), Service));
                silo.UseRedisReminderService(o => o.ConfigurationOptions = ConfigurationOptions.Parse(server.Address));
                // A minute otherwise.
                silo.Configure<ReminderOptions>(o => o.MinimumReminderPeriod = TimeSpan.FromSeconds(1));
                silo.Services.AddSingleton<IIncomingGrainCallFilter>(services =>
                    new Calls(services.GetRequiredService<ILocalSiloDetails>().SiloAddress, calls));
            });
        await stage.ReadyAsync();
        var rooms = Enumerable.Range(1, 300).Select(i => i * 7919L).ToArray();
        var answers = await Task.WhenAll(
            rooms.Select(room => stage.Nodes[0].Plane.RegisterRankAsync(room, 1, ClusterStage.Token).AsTask()));
        Assert.All(answers, answer => Assert.Equal(RankRegistration.Stored, answer));
        // Shards stand where Orleans puts them: the silo that has most of them dies.
        var most = calls.Where(c => c.Method == nameof(IBootstrapRoomGrain.Register)).GroupBy(c => c.Silo, c => c.Shard)
            .MaxBy(silo => silo.Distinct().Count())!;
        var (victim, shards) = (stage.Nodes.Single(n => n.Handle.SiloAddress.Equals(most.Key)), most.Distinct().ToArray());

        await stage.KillAsync(victim);
        calls.Clear();
        Assert.All(shards, shard => Assert.NotEqual(0, Stored(shard))); // it died before it could expire anything

        await ClusterStage.UntilAsync(
            () => shards.All(shard => Stored(shard) == 0), () => string.Join(", ", calls), atMostSecs: 90);
        // No call was made: a reminder activated each shard on a living silo, and its timer did the rest.
        var woken = calls.Where(c => shards.Contains(c.Shard)).ToArray();
        Assert.DoesNotContain(woken, c => c.Silo.Equals(victim.Handle.SiloAddress));
        Assert.Equal(shards.Order(), woken.Select(c => c.Shard).Distinct().Order());
        Assert.All(woken.DistinctBy(c => c.Shard), first => Assert.Equal(nameof(IRemindable.ReceiveReminder), first.Method));
        Assert.All(woken, call => Assert.Contains(call.Method, (string[])[nameof(IRemindable.ReceiveReminder), TimerTick]));
        // A shard that is empty is not woken any more.
        await ClusterStage.UntilAsync(
            () => redis.GetDatabase().SortedSetLength($"{stage.Cluster.Options.ServiceId}/reminders") == 0,
            () => string.Join(", ", redis.GetServer(server.Address).Keys()));

        long Stored(long shard) =>
            redis.GetDatabase().HashKeys($"{Service}/rooms/{shard}").Count(field => field != "writer");
    }

    private sealed record Call(SiloAddress Silo, long Shard, string Method);

    /// <summary>Records the calls to shards of the rooms.</summary>
    private sealed class Calls(SiloAddress silo, ConcurrentQueue<Call> seen) : IIncomingGrainCallFilter
    {
        public Task Invoke(IIncomingGrainCallContext context)
        {
            if (context.Grain is IBootstrapRoomGrain shard)
                seen.Enqueue(new(silo, shard.GetPrimaryKeyLong(), context.InterfaceMethod.Name));
            return context.Invoke();
        }
    }
}
