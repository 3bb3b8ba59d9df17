namespace OrleansPd.Core.Policies;

/// <summary>The rank with the fewest tokens in flight; equally loaded ranks are used in rotation.</summary>
internal sealed class LeastLoadPolicy : PickPolicy
{
    public override int Pick(RankSet set, in PairRequest request, in PickScope scope) => scope.Least(set);
}
