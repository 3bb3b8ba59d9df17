using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// The shell around what one gateway has on the engines: it stands in this process's <see cref="Witnesses"/>, which hear of
/// deaths. It stays there when this activation ends: the death of a silo ends activations that its part of the directory named,
/// and that may be the very silo whose gateway is remembered here.
/// </summary>
internal sealed class WitnessGrain(Witnesses witnesses) : Grain, IWitnessGrain
{
    public Task Remember(ImmutableArray<LegsOnWorker> legs)
    {
        witnesses.Remember(this.GetPrimaryKeyString(), legs);
        return Task.CompletedTask;
    }
}
