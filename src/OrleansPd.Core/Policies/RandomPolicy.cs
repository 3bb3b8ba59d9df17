namespace OrleansPd.Core.Policies;

/// <summary>Any rank with room.</summary>
internal sealed class RandomPolicy : PickPolicy
{
    private const int Tries = 8;

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        for (var i = 0; i < Tries && set.Count > 0; i++)
        {
            var leaf = scope.Random.Next(set.Count);
            if (scope.Takes(set, leaf))
                return leaf;
        }
        return scope.Least(set);
    }
}
