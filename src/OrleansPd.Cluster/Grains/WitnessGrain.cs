using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>The shell around what one gateway has on the engines: it stands in this process's <see cref="Witnesses"/>, which hear of deaths.</summary>
internal sealed class WitnessGrain(Witnesses witnesses) : Grain, IWitnessGrain
{
    public Task Remember(ImmutableArray<LegsOnWorker> legs)
    {
        witnesses.Remember(this.GetPrimaryKeyString(), legs);
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        witnesses.Forget(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }
}
