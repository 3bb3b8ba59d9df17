using Microsoft.Extensions.Logging;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Placement;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;

namespace OrleansPd.Cluster.Gateways;

/// <summary>What the parts of a gateway's control plane use; one for the process.</summary>
internal sealed record GatewayServices(
    ControlPlaneOptions ControlPlane, PdClusterOptions Cluster, GatewayLimits Limits, ClusterMembers Members,
    IGatewayDeaths Deaths, Witnesses Witnesses, SiloMap Silos, IGrainFactory Grains, PdTime Time,
    ILogger<ClusterControlPlane> Log)
{
    public TimeProvider Clock => Time.Clock;
}
