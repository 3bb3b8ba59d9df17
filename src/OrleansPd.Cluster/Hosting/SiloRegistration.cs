using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Serialization;
using Orleans.Storage;
using OrleansPd.Client.Tracing;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Placement;
using OrleansPd.Cluster.Workers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Probes;
using OrleansPd.Net.Http1;

namespace OrleansPd.Cluster.Hosting;

/// <summary>Adds the control plane of a cluster to a silo.</summary>
public static class SiloRegistration
{
    /// <summary>
    /// Adds the grains and the <see cref="ClusterControlPlane"/> of the gateway in this silo. The caller must also add a grain
    /// storage named <see cref="PdClusterOptions.Storage"/> and a reminder service.
    /// </summary>
    /// <param name="controlPlane">Options of the control plane; equal on all silos except for the workers.</param>
    /// <param name="cluster">Options of the cluster; equal on all silos.</param>
    /// <param name="clock">The clock of this library's parts; null = the system clock.</param>
    public static ISiloBuilder AddOrleansPd(
        this ISiloBuilder silo, ControlPlaneOptions controlPlane, PdClusterOptions? cluster = null, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(silo);
        ArgumentNullException.ThrowIfNull(controlPlane);
        var services = silo.Services;
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IOutgoingGrainCallFilter, OutgoingCallTracing>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IIncomingGrainCallFilter, IncomingCallTracing>());
        services.AddSingleton(controlPlane);
        services.AddSingleton(cluster ?? new PdClusterOptions());
        services.AddSingleton(provider => new GatewayLimits(FailureDetection.LongestPause(
            provider.GetRequiredService<IOptions<ClusterMembershipOptions>>().Value,
            provider.GetRequiredService<PdClusterOptions>())));
        services.AddSingleton(new PdTime(clock ?? TimeProvider.System));
        silo.AddPlacementDirector<BesideEngine, BesideEngineDirector>();
        services.AddSingleton<ClusterMembers>();
        services.AddSingleton<SiloMap>();
        services.AddSingleton<WorkerRegistry>();
        services.AddSingleton<IGatewayDeaths>(provider => provider.GetRequiredService<WorkerRegistry>());
        services.AddSingleton<GatewayServices>();
        services.AddSingleton<IKnownWorkers>(provider => provider.GetRequiredService<ClusterControlPlane>());
        services.AddSingleton<IKnownWorkers>(provider => provider.GetRequiredService<WorkerRegistry>());
        services.AddSingleton<Witnesses>();
        services.AddSingleton<WorkerServices>();
        services.TryAddSingleton<IUpstream>(_ => new HandlerUpstream());
        services.TryAddSingleton<IEngineProbe>(
            provider => new EngineProbe(
                controlPlane, provider.GetRequiredService<IUpstream>(), provider.GetRequiredService<PdTime>().Clock));
        services.AddSingleton(provider => new EngineAborter(
            provider.GetRequiredService<IUpstream>(), new DispatchOptions(), provider.GetRequiredService<PdTime>().Clock));
        services.AddSingleton(provider => new ClusterControlPlane(
            provider.GetRequiredService<GatewayServices>(), RandomNumberGenerator.GetInt32(int.MaxValue)));
        services.AddSingleton(provider => new RequestDispatcher(
            provider.GetRequiredService<ClusterControlPlane>(),
            provider.GetRequiredService<IUpstream>(),
            new RidSource((uint)RandomNumberGenerator.GetInt32(int.MaxValue)),
            new LiveRids(),
            new DispatchOptions(),
            provider.GetRequiredService<PdTime>().Clock,
            new DispatchTelemetry(provider.GetService<IMeterFactory>()),
            provider.GetRequiredService<ILogger<RequestDispatcher>>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, PlaneLifecycle>();
        return silo;
    }

    /// <summary>
    /// Stores grain state in the memory of the silos: for tests, and for a cluster of one process. Uses the serializer of
    /// messages, because the default serializer of memory storage cannot read these records back.
    /// </summary>
    public static ISiloBuilder AddOrleansPdMemoryStorage(this ISiloBuilder silo)
    {
        ArgumentNullException.ThrowIfNull(silo);
        return silo.AddMemoryGrainStorage(PdClusterOptions.Storage, (OptionsBuilder<MemoryGrainStorageOptions> builder) =>
            builder.Configure((MemoryGrainStorageOptions options, Serializer serializer) =>
                options.GrainStorageSerializer = new OrleansGrainStorageSerializer(serializer)));
    }

    /// <summary>Starts the control plane when the silo accepts calls, and ends it before the grains end.</summary>
    private sealed class PlaneLifecycle(ClusterControlPlane plane, ClusterMembers members) : ILifecycleParticipant<ISiloLifecycle>
    {
        public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(
            nameof(ClusterControlPlane),
            ServiceLifecycleStage.Active,
            _ =>
            {
                plane.Start();
                return Task.CompletedTask;
            },
            async _ =>
            {
                members.Leave();
                await plane.DisposeAsync();
            });
    }
}
