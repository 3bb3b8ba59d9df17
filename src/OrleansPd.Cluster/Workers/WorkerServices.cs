using Microsoft.Extensions.Logging;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Placement;
using OrleansPd.Core;
using OrleansPd.Engines.Dispatch;
using OrleansPd.Engines.Keeping;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Cluster.Workers;

/// <summary>What a worker's writer works with; one for the process.</summary>
internal sealed record WorkerServices(
    ControlPlaneOptions ControlPlane, ClusterOptions Cluster, IEngineProbe Probe, EngineAborter Aborter, ClusterMembers Members,
    ClusterControlPlane Plane, WorkerRegistry Registry, SiloMap Silos, IGrainFactory Grains, PdTime Time, ILogger<WorkerHost> Log)
{
    public TimeProvider Clock => Time.Clock;

    public KeeperPace Pace { get; } = new();
}
