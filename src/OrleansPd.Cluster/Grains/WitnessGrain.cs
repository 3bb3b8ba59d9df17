using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// Takes reports of what one gateway has in flight into this process's <see cref="Witnesses"/>. They outlive this activation:
/// when a silo dies, activations registered in its part of the grain directory end, and that can be the silo of this very
/// gateway.
/// </summary>
[GrainType("witness")]
internal sealed class WitnessGrain(Witnesses witnesses, ClusterMembers members, ClusterControlPlane plane) : Grain, IWitnessGrain
{
    public Task Remember(ImmutableArray<LegsOnWorker> legs)
    {
        var gateway = this.GetPrimaryKeyString();
        witnesses.Remember(gateway, legs);
        if (members.IsDead(gateway))
        {
            plane.AbortLegsOf(gateway); // a late report: the death has been handled before
        }
        return Task.CompletedTask;
    }
}
