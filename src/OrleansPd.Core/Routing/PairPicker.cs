using OrleansPd.Core.Policies;

namespace OrleansPd.Core.Routing;

/// <summary>A choice: a leaf on each side. Prefill is -1 for regular workers.</summary>
internal readonly record struct PairPick(
    PairGroup Group, int Prefill, int Decode, bool PrefillHalfOpen = false, bool DecodeHalfOpen = false)
{
    public RouteReason Route { get; init; }
}

/// <summary>Picks a transfer group of the model, then by policy a prefill rank and a decode rank in it.</summary>
internal sealed class PairPicker(PickPolicy prefillPolicy, PickPolicy decodePolicy, Random random)
{
    /// <summary>
    /// Tokens that the engine keeps free for an answer without a length limit (SGLang's --num-reserved-decode-tokens).
    /// </summary>
    private const int ReservedTokens = 512;

    public bool NeedsPrefix => prefillPolicy.NeedsPrefix || decodePolicy.NeedsPrefix;

    /// <summary>Decode engines have a prefix cache: the operator has given them a policy that uses one.</summary>
    public bool DecodeHasPrefixCache => decodePolicy.NeedsPrefix;

    /// <summary>KV tokens of a request on a decode rank.</summary>
    public static long DecodeTokens(in PairRequest request) =>
        request.PromptTokens + ((
            long)request.Items * Math.Clamp(request.MaxNewTokens < 0 ? ReservedTokens : request.MaxNewTokens, 1, ReservedTokens));

    public bool TryPick(ModelPool pool, in PairRequest request, int avoidPrefill, int avoidDecode, out PairPick pick)
    {
        var groups = pool.Groups;
        if (groups.Count == 1)
            return TryGroup(groups[0], request, avoidPrefill, avoidDecode, out pick);
        if (request.Near is { } near)
        {
            foreach (var group in groups)
            {
                if (group.Decode.Has(near.Decode.Slot) && TryGroup(group, request, avoidPrefill, avoidDecode, out pick))
                    return true;
            }
        }
        var first = FirstGroup(groups, request);
        for (var i = 0; i < groups.Count; i++)
        {
            if (TryGroup(groups[(first + i) % groups.Count], request, avoidPrefill, avoidDecode, out pick))
                return true;
        }
        pick = default;
        return false;
    }

    /// <summary>Tokens that the chosen prefill or regular worker must compute, at least 1.</summary>
    public long Uncached(in PairPick pick, in PairRequest request) => pick.Group.Prefill is { } set
        ? Math.Max(1, prefillPolicy.Uncached(set, pick.Prefill, request, request.PromptTokens))
        : Math.Max(1, prefillPolicy.Uncached(pick.Group.Decode, pick.Decode, request, request.PromptTokens));

    public void Picked(in PairPick pick, in PairRequest request)
    {
        if (pick.Group.Prefill is { } set)
        {
            prefillPolicy.Picked(set, pick.Prefill, request);
            decodePolicy.Picked(pick.Group.Decode, pick.Decode, request);
        }
        else
        {
            prefillPolicy.Picked(pick.Group.Decode, pick.Decode, request);
        }
    }

    /// <summary>Another gateway has sent these keys to that rank.</summary>
    public void Learn(LegSide side, RankSet set, int leaf, ReadOnlySpan<ulong> keys) =>
        (side == LegSide.Prefill ? prefillPolicy : decodePolicy).Learn(set, leaf, keys);

    public void CachesFlushed(int slot)
    {
        prefillPolicy.CachesFlushed(slot);
        decodePolicy.CachesFlushed(slot);
    }

    /// <summary>A session stays in its group; other requests start at a random group, weighted by its ranks.</summary>
    private int FirstGroup(List<PairGroup> groups, in PairRequest request)
    {
        var best = 0;
        if (request.SessionKey != 0)
        {
            for (var i = 1; i < groups.Count; i++)
                best = Hash.Mix(groups[i].Key ^ request.SessionKey) > Hash.Mix(groups[best].Key ^ request.SessionKey) ? i : best;
            return best;
        }
        var all = 0;
        for (var i = 0; i < groups.Count; i++)
        {
            var ranks = groups[i].Decode.Count;
            all += ranks;
            best = ranks > 0 && random.Next(all) < ranks ? i : best;
        }
        return best;
    }

    public bool TryGroup(PairGroup group, in PairRequest request, int avoidPrefill, int avoidDecode, out PairPick pick)
    {
        pick = default;
        var decodeScope = new PickScope(request.Items, DecodeTokens(request), avoidDecode, random, request.Adapters);
        if (group.Prefill is null)
        {
            var leaf = Near(group.Decode, request.Near?.Decode, request.Near?.DecodeRank ?? 0, decodeScope);
            // A regular worker computes prompts: its cache counts as that of a prefill.
            leaf = leaf >= 0 ? leaf : prefillPolicy.Pick(group.Decode, request, decodeScope);
            pick = new(group, -1, leaf);
            return leaf >= 0;
        }
        var tokens = Math.Max(1, request.PromptTokens);
        var prefillScope = new PickScope(request.Items, tokens, avoidPrefill, random, request.Adapters);
        var prefill = Near(group.Prefill, request.Near?.Prefill, request.Near?.PrefillRank ?? 0, prefillScope);
        prefill = prefill >= 0 ? prefill : prefillPolicy.Pick(group.Prefill, request, prefillScope);
        if (prefill < 0)
            return false;
        var decode = Near(group.Decode, request.Near?.Decode, request.Near?.DecodeRank ?? 0, decodeScope);
        decode = decode >= 0 ? decode : decodePolicy.Pick(group.Decode, request, decodeScope);
        pick = new(group, prefill, decode);
        return decode >= 0;
    }

    private static int Near(RankSet set, WorkerSnapshot? worker, int rank, in PickScope scope)
    {
        var leaf = worker is null ? -1 : set.Leaf(worker.Slot, rank);
        return leaf >= 0 && set.Worker(leaf).Epoch == worker!.Epoch && scope.Takes(set, leaf) ? leaf : -1;
    }
}
