using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// Receives affinity entries for the gateway of this silo. If the gateway it is addressed to is gone, the entries are dropped.
/// </summary>
[GrainType("affinity")]
internal sealed class AffinityGrain(ClusterControlPlane plane, ClusterMembers members) : Grain, IAffinityGrain
{
    public Task Learn(AffinityNote note)
    {
        if (this.GetPrimaryKeyString() == members.Self)
            plane.Learn(note);
        else
            DeactivateOnIdle();
        return Task.CompletedTask;
    }
}
