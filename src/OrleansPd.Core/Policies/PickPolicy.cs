namespace OrleansPd.Core.Policies;

/// <summary>
/// Picks the worker and rank of one role. A policy whose preferred rank has no room falls back to the least loaded one, so no
/// policy refuses while a rank has room.
/// </summary>
internal abstract class PickPolicy
{
    /// <summary>Collects the keys that this policy assigns to ranks, for other gateways; null = there are none.</summary>
    public AffinityUpdates? Updates { get; set; }

    /// <summary>The side this policy picks for. Other gateways apply its updates to the same side.</summary>
    public LegSide Side { get; set; }

    /// <summary>True when requests should carry <see cref="PairRequest.PrefixBlocks"/>.</summary>
    public virtual bool NeedsPrefix => false;

    /// <summary>The leaf to use; -1 = no rank has room.</summary>
    public abstract int Pick(RankSet set, in PairRequest request, in PickScope scope);

    /// <summary>Tokens of the request that the rank must compute; all if its cache is unknown.</summary>
    public virtual long Uncached(RankSet set, int leaf, in PairRequest request, long tokens) => tokens;

    /// <summary>A request was assigned to the leaf.</summary>
    public virtual void Picked(RankSet set, int leaf, in PairRequest request)
    {
    }

    /// <summary>Another gateway has assigned these keys to the leaf.</summary>
    public virtual void Learn(RankSet set, int leaf, ReadOnlySpan<ulong> keys)
    {
    }

    /// <summary>The caches of a worker are empty.</summary>
    public virtual void CachesFlushed(int slot)
    {
    }
}
