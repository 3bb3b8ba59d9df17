using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Placement;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Monitoring;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Cluster.Workers;

/// <summary>Dependencies of the worker grains; one instance per process.</summary>
internal sealed record WorkerServices(
    ControlPlaneOptions ControlPlane, PdClusterOptions Cluster, IEngineProbe Probe, EngineAborter Aborter, ClusterMembers Members,
    ClusterControlPlane Plane, WorkerRegistry Registry, SiloMap Silos, IGrainFactory Grains, PdTime Time, ILogger<WorkerHost> Log)
{
    public TimeProvider Clock => Time.Clock;
    public MonitorPace Pace { get; } = new();
}
