using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Orleans.Configuration;
using Orleans.TestingHost;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Options;
using OrleansPd.Core.States;
using OrleansPd.Engines.Probes;
using OrleansPd.Testing.Contracts;

namespace OrleansPd.Cluster.Tests;

/// <summary>
/// The control plane of a cluster keeps what every control plane promises; here one gateway beside the grains of its silo.
/// </summary>
public sealed class ClusterContractTests : ControlPlaneContract
{
    protected override async Task<IControlPlaneHost> StartHostAsync(ControlPlaneOptions options, IEngineProbe engines)
    {
        var clock = new FakeTimeProvider();
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) =>
        {
            // The clock jumps by seconds; the gateway would take that for a pause in which it may have been declared dead.
            silo.Configure<ClusterMembershipOptions>(membership => membership.ProbeTimeout = TimeSpan.FromMinutes(1));
            silo.AddOrleansPd(options, clock: clock);
            silo.AddOrleansPdMemoryStorage();
            silo.UseInMemoryReminderService();
            silo.Services.AddSingleton<IRoomLog>(new MemoryRoomLog());
            silo.Services.AddSingleton(engines);
        });
        var cluster = await builder.BuildAsync();
        await cluster.DeployAsync();
        return new Host(cluster, cluster.Silos[0].ServiceProvider.GetRequiredService<ClusterControlPlane>(), clock);
    }

    private sealed class Host(InProcessTestCluster cluster, ClusterControlPlane plane, FakeTimeProvider clock) : IControlPlaneHost
    {
        public IControlPlane Plane => plane;

        public IFleetAdmin Admin => plane;

        public void Advance(TimeSpan by) => clock.Advance(by);

        public async ValueTask DisposeAsync()
        {
            await cluster.StopAllSilosAsync();
            await cluster.DisposeAsync();
        }
    }
}
