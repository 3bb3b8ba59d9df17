using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// The shell through which other gateways tell the one of this silo. Where its silo has gone, it tells nobody and ends.
/// </summary>
[GrainType("affinity")]
internal sealed class AffinityGrain(ClusterControlPlane plane, ClusterMembers members) : Grain, IAffinityGrain
{
    public Task Learn(AffinityNote note)
    {
        if (this.GetPrimaryKeyString() == members.Self)
        {
            plane.Learn(note);
        }
        else
        {
            DeactivateOnIdle();
        }
        return Task.CompletedTask;
    }
}
