namespace OrleansPd.Core.Policies;

/// <summary>The less loaded of two ranks chosen at random.</summary>
internal sealed class PowerOfTwoPolicy : PickPolicy
{
    private const int Tries = 8;

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        var first = -1;
        for (var i = 0; i < Tries && set.Count > 0; i++)
        {
            var leaf = scope.Random.Next(set.Count);
            if (leaf == first || !scope.Takes(set, leaf))
                continue;
            if (first >= 0)
                return set.Weight(leaf) < set.Weight(first) ? leaf : first;
            first = leaf;
        }
        return first >= 0 ? first : scope.Least(set);
    }
}
