namespace OrleansPd.Core.Pairing;

/// <summary>The rank with the fewest tokens in flight; equals in turn.</summary>
internal sealed class LeastLoadPolicy : PickPolicy
{
    public override int Pick(RankSet set, in PairRequest request, in PickScope scope) => scope.Least(set);
}
