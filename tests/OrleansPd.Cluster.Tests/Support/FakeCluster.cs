using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;
using Orleans.TestingHost;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Cluster.Tests.Support;

/// <summary>Silos in this process over engines that exist only as a probe; storage outlives the silos.</summary>
internal sealed class FakeCluster : IAsyncDisposable
{
    private readonly InProcessTestCluster _cluster;

    private FakeCluster(InProcessTestCluster cluster)
    {
        _cluster = cluster;
    }

    public IReadOnlyList<InProcessSiloHandle> Silos => [.. _cluster.Silos];

    /// <param name="probe">The engines.</param>
    /// <param name="clocks">One for each silo, in the order of their start; the last one is also for all later silos.</param>
    public static async Task<FakeCluster> StartAsync(IEngineProbe probe, params TimeProvider[] clocks)
    {
        var storage = new SharedStorage();
        var rooms = new MemoryRoomLog();
        var started = 0;
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) =>
        {
            var clock = clocks[Math.Min(Interlocked.Increment(ref started) - 1, clocks.Length - 1)];
            silo.AddOrleansPd(new ControlPlaneOptions { Policy = "least_load" }, new PdClusterOptions(), clock);
            silo.UseInMemoryReminderService();
            silo.Services.AddKeyedSingleton<IGrainStorage>(PdClusterOptions.Storage, storage);
            silo.Services.AddSingleton<IRoomLog>(rooms);
            silo.Services.AddSingleton(probe);
        });
        var cluster = await builder.BuildAsync();
        await cluster.DeployAsync();
        return new FakeCluster(cluster);
    }

    public static ClusterControlPlane PlaneOf(InProcessSiloHandle silo) =>
        silo.ServiceProvider.GetRequiredService<ClusterControlPlane>();

    public static WorkerSpec Worker(string host, WorkerRole role) => new() { Url = new Uri($"http://{host}:1"), Role = role };

    public Task<InProcessSiloHandle> AddSiloAsync() => _cluster.StartAdditionalSiloAsync();

    public Task KillAsync(InProcessSiloHandle silo) => _cluster.KillSiloAsync(silo);

    public async ValueTask DisposeAsync()
    {
        await _cluster.StopAllSilosAsync();
        await _cluster.DisposeAsync();
    }
}
