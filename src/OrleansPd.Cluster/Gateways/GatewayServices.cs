using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Placement;

namespace OrleansPd.Cluster.Gateways;

/// <summary>Dependencies of a gateway's control plane; one instance per process.</summary>
internal sealed record GatewayServices(
    ControlPlaneOptions ControlPlane, PdClusterOptions Cluster, GatewayLimits Limits, ClusterMembers Members,
    IGatewayDeaths Deaths, Witnesses Witnesses, SiloMap Silos, IGrainFactory Grains, PdTime Time,
    ILogger<ClusterControlPlane> Log)
{
    public TimeProvider Clock => Time.Clock;
}
