using System.Runtime.InteropServices;
using OrleansPd.Core.Load;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Policies;

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
        var known = Find(request.SessionKey);
        var stays = known is { } at && Stays(set, at);
        if (News is { } news && (!stays || news.PublishesAll))
        {
            news.Begin(Side, now.Slot, now.Rank);
            news.Add(request.SessionKey);
            news.End();
        }
        Keep(request.SessionKey, stays ? known!.Value : now);
    }

    /// <summary>Where two gateways met a session first at the same time, the one that tells last is right for both.</summary>
    public override void Learn(RankSet set, int leaf, ReadOnlySpan<ulong> keys)
    {
        var slot = set.Slot(leaf);
        foreach (var key in keys)
        {
            Keep(key, new Home(slot, set.Rank(leaf), set.Worker(leaf).Epoch));
        }
    }

    private void Keep(ulong session, Home home)
    {
        if (_young.Count >= MaxPerGeneration)
        {
            (_old, _young) = (_young, _old);
            _young.Clear();
        }
        CollectionsMarshal.GetValueRefOrAddDefault(_young, session, out _) = home;
    }

    private Home? Find(ulong key) => _young.TryGetValue(key, out var home) || _old.TryGetValue(key, out home) ? home : null;

    private static bool Stays(RankSet set, Home home)
    {
        var leaf = set.Leaf(home.Slot, home.Rank);
        return leaf >= 0 && set.Worker(leaf).Epoch == home.Epoch && set.Worker(leaf).IsPairable;
    }

    private readonly record struct Home(int Slot, int Rank, long Epoch);
}
