namespace OrleansPd.Core.Policies;

/// <summary>All ranks of all workers in rotation.</summary>
internal sealed class RoundRobinPolicy : PickPolicy
{
    private const int Tries = 64;
    private uint _turn;

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        for (var i = 0; i < Math.Min(Tries, set.Count); i++)
        {
            var leaf = (int)(_turn++ % (uint)set.Count);
            if (scope.Takes(set, leaf))
                return leaf;
        }
        return scope.Least(set);
    }
}
