using System.Runtime.InteropServices;

namespace OrleansPd.Core.Pairing;

/// <summary>
/// A session stays on its rank for as long as that rank can be used. While the rank is merely full its requests go elsewhere,
/// and come back. Requests without a session go to the least loaded rank.
/// </summary>
internal sealed class SessionPolicy : PickPolicy
{
    // Two generations: the older one is dropped when the newer is full. Sessions in use move on to the newer by being used.
    private const int MaxPerGeneration = 65_536;
    private Dictionary<ulong, Home> _young = [];
    private Dictionary<ulong, Home> _old = [];

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        var leaf = request.SessionKey != 0 && Find(request.SessionKey) is { } home ? set.Leaf(home.Slot, home.Rank) : -1;
        return leaf >= 0 && scope.Takes(set, leaf) ? leaf : scope.Least(set);
    }

    public override void Chosen(RankSet set, int leaf, in PairRequest request)
    {
        if (request.SessionKey == 0)
        {
            return;
        }
        var slot = set.Slot(leaf);
        var now = new Home(slot, set.Rank(leaf), set.Worker(leaf).Epoch);
        var home = Find(request.SessionKey) is { } known && Stays(set, known) ? known : now;
        if (_young.Count >= MaxPerGeneration)
        {
            (_old, _young) = (_young, _old);
            _young.Clear();
        }
        CollectionsMarshal.GetValueRefOrAddDefault(_young, request.SessionKey, out _) = home;
    }

    private Home? Find(ulong key) => _young.TryGetValue(key, out var home) || _old.TryGetValue(key, out home) ? home : null;

    private static bool Stays(RankSet set, Home home)
    {
        var leaf = set.Leaf(home.Slot, home.Rank);
        return leaf >= 0 && set.Worker(leaf).Epoch == home.Epoch && set.Worker(leaf).IsPairable;
    }

    private readonly record struct Home(int Slot, int Rank, long Epoch);
}
