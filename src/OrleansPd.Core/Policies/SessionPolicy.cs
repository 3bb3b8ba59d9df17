using System.Runtime.InteropServices;

namespace OrleansPd.Core.Policies;

/// <summary>
/// A session stays on its rank while that rank is usable. While the rank is full, requests of the session go to the least loaded
/// rank. So do requests without a session.
/// </summary>
internal sealed class SessionPolicy : PickPolicy
{
    // Two generations: the older one is dropped when the newer one is full. A session in use moves to the newer one.
    private const int MaxPerGeneration = 65_536;
    private Dictionary<ulong, Home> _newer = [];
    private Dictionary<ulong, Home> _older = [];

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        var leaf = request.SessionKey != 0 && Find(request.SessionKey) is { } home ? set.Leaf(home.Slot, home.Rank) : -1;
        return leaf >= 0 && scope.Takes(set, leaf) ? leaf : scope.Least(set);
    }

    public override void Picked(RankSet set, int leaf, in PairRequest request)
    {
        if (request.SessionKey == 0)
            return;
        var slot = set.Slot(leaf);
        var now = new Home(slot, set.Rank(leaf), set.Worker(leaf).Epoch);
        var known = Find(request.SessionKey);
        var stays = known is { } at && IsUsable(set, at);
        if (Updates is { } updates && (!stays || updates.PublishesAll))
        {
            updates.Begin(Side, now.Slot, now.Rank);
            updates.Add(request.SessionKey);
            updates.End();
        }
        Store(request.SessionKey, stays ? known!.Value : now);
    }

    /// <summary>If two gateways assigned a new session at the same time, the later update wins at both.</summary>
    public override void Learn(RankSet set, int leaf, ReadOnlySpan<ulong> keys)
    {
        var slot = set.Slot(leaf);
        foreach (var key in keys)
            Store(key, new Home(slot, set.Rank(leaf), set.Worker(leaf).Epoch));
    }

    private void Store(ulong session, Home home)
    {
        if (_newer.Count >= MaxPerGeneration)
        {
            (_older, _newer) = (_newer, _older);
            _newer.Clear();
        }
        CollectionsMarshal.GetValueRefOrAddDefault(_newer, session, out _) = home;
    }

    private Home? Find(ulong key) => _newer.TryGetValue(key, out var home) || _older.TryGetValue(key, out home) ? home : null;

    private static bool IsUsable(RankSet set, Home home)
    {
        var leaf = set.Leaf(home.Slot, home.Rank);
        return leaf >= 0 && set.Worker(leaf).Epoch == home.Epoch && set.Worker(leaf).IsPairable;
    }

    private readonly record struct Home(int Slot, int Rank, long Epoch);
}
