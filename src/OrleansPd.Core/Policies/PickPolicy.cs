using OrleansPd.Core.Load;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Policies;

/// <summary>
/// How one role's worker and rank are chosen. A policy proposes; where its proposal has no room it falls back to the least
/// loaded rank, so no policy refuses while there is room.
/// </summary>
internal abstract class PickPolicy
{
    /// <summary>Takes what this policy learns, for other gateways; null = there are none, or nobody asks.</summary>
    public AffinityUpdates? News { get; set; }

    /// <summary>Whether it chooses prefill workers, for whom it is told.</summary>
    public LegSide Side { get; set; }

    /// <summary>True when requests should carry <see cref="PairRequest.PrefixBlocks"/>.</summary>
    public virtual bool NeedsPrefix => false;

    /// <summary>The leaf to use, -1 when no rank has room.</summary>
    public abstract int Pick(RankSet set, in PairRequest request, in PickScope scope);

    /// <summary>Tokens of the request that the rank must compute; all where nothing is known of its cache.</summary>
    public virtual long Uncached(RankSet set, int leaf, in PairRequest request, long tokens) => tokens;

    /// <summary>The request goes there.</summary>
    public virtual void Chosen(RankSet set, int leaf, in PairRequest request)
    {
    }

    /// <summary>Another gateway has learned that these are there.</summary>
    public virtual void Learn(RankSet set, int leaf, ReadOnlySpan<ulong> keys)
    {
    }

    /// <summary>Whatever the worker had cached is gone.</summary>
    public virtual void Forget(int slot)
    {
    }
}
