using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Serialization;
using Orleans.Storage;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core.Options;
using OrleansPd.Server.Hosting;
using OrleansPd.Server.Redis;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>A silo with the grains that ship and those that do not, on one Redis, with the membership that ships.</summary>
internal static class BenchSilo
{
    public const string Service = "bench";

    /// <summary>Longer than any run.</summary>
    public static readonly TimeSpan RoomTtl = TimeSpan.FromHours(1);

    public static async Task<IHost> StartAsync(string redis, string cluster)
    {
        var options = ConfigurationOptions.Parse(redis);
        var connection = await ConnectionMultiplexer.ConnectAsync(options);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new Wakings());
        builder.UseOrleans(silo =>
        {
            silo.Configure<Orleans.Configuration.ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (cluster, Service));
            silo.ConfigureEndpoints(IPAddress.Loopback, FreePorts.Any(IPAddress.Loopback), FreePorts.Any(IPAddress.Loopback));
            silo.Configure<ClusterMembershipOptions>(o =>
            {
                (o.ProbeTimeout, o.NumMissedProbesLimit, o.NumVotesForDeathDeclaration) = (TimeSpan.FromSeconds(0.5), 2, 2);
                (o.EnableIndirectProbes, o.TableRefreshTimeout) = (false, TimeSpan.FromSeconds(2));
            });
            silo.Configure<ReminderOptions>(o => o.MinimumReminderPeriod = TimeSpan.FromSeconds(1));
            silo.UseRedisClustering(o => (o.ConfigurationOptions, o.CreateMultiplexer) = (options, _ => Shared()));
            silo.UseRedisReminderService(o => (o.ConfigurationOptions, o.CreateMultiplexer) = (options, _ => Shared()));
            silo.AddRedisGrainStorage(PdClusterOptions.Storage, (OptionsBuilder<RedisStorageOptions> o) =>
                o.Configure((RedisStorageOptions o, Serializer serializer) =>
                {
                    (o.ConfigurationOptions, o.CreateMultiplexer) = (options, _ => Shared());
                    o.GrainStorageSerializer = new OrleansGrainStorageSerializer(serializer);
                }));
            silo.AddOrleansPd(new ControlPlaneOptions { RoomTtlSecs = (int)RoomTtl.TotalSeconds });
            silo.Services.AddSingleton<IRoomLog>(new RedisRoomLog(connection.GetDatabase(), Service));
        });
        var host = builder.Build();
        await host.StartAsync();
        return host;

        Task<(IConnectionMultiplexer, bool)> Shared() => Task.FromResult<(IConnectionMultiplexer, bool)>((connection, true));
    }

    /// <summary>The other process: says that it has joined, and ends by SIGKILL, or when its parent is gone.</summary>
    public static async Task<int> RunUntilKilledAsync(string redis, string cluster)
    {
        using var host = await StartAsync(redis, cluster);
        Console.WriteLine("joined");
        await Console.In.ReadToEndAsync();
        return 0;
    }
}
