namespace OrleansPd.Core.Policies;

/// <summary>
/// The rank where the request is computed soonest: tokens that wait there plus tokens of this request that are not cached there.
/// So affinity yields when its target is so busy that computing the prefix elsewhere is faster, and a prefix that all requests
/// share outweighs a queue of its own length and no more. Compares the ranks that hold the longest prefixes with the least loaded
/// one.
/// </summary>
internal sealed class CacheAwarePolicy(int blocks) : PickPolicy
{
    private const int Depths = 6;
    private readonly PrefixIndex _index = new(blocks);
    private byte[] _epochs = new byte[16];

    public override bool NeedsPrefix => true;

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        var least = scope.Least(set);
        var prompt = request.PrefixBlocks.Span;
        if (least < 0 || prompt.IsEmpty)
            return least;
        var depth = _index.Deepest(prompt);
        if (depth == 0)
            return least;
        var common = _index.Common(prompt);
        var perBlock = (double)scope.Tokens / prompt.Length;
        var best = least;
        var bestCost = set.Weight(least) + ((prompt.Length - common) * perBlock);
        for (var i = 0; i < Depths && depth > common; i++)
        {
            foreach (var holder in _index.Holders(prompt, depth))
            {
                var leaf = Leaf(set, holder);
                if (leaf < 0 || leaf == best || !scope.Takes(set, leaf))
                    continue;
                var suspect = set.Worker(leaf).Phase == WorkerPhase.Suspect;
                var cost = set.Weight(leaf) + ((prompt.Length - depth) * perBlock);
                if (cost < bestCost && !suspect)
                    (best, bestCost) = (leaf, cost);
            }
            depth = i == 0 ? PrefixIndex.Below(depth) : PrefixIndex.AtOrBelow(depth * 3 / 4);
        }
        return best;
    }

    public override long Uncached(RankSet set, int leaf, in PairRequest request, long tokens)
    {
        var prompt = request.PrefixBlocks.Span;
        var depth = prompt.IsEmpty ? 0 : _index.Deepest(prompt);
        var holder = Holder(set.Slot(leaf), set.Rank(leaf));
        for (var i = 0; i < Depths && depth > 0; i++)
        {
            if (_index.Holders(prompt, depth).Contains(holder))
                return Uncomputed(tokens, prompt.Length, depth);
            depth = i == 0 ? PrefixIndex.Below(depth) : PrefixIndex.AtOrBelow(depth * 3 / 4);
        }
        return Uncomputed(tokens, prompt.Length, prompt.IsEmpty ? 0 : _index.Common(prompt));
    }

    public override void Picked(RankSet set, int leaf, in PairRequest request)
    {
        var (slot, rank) = (set.Slot(leaf), set.Rank(leaf));
        Updates?.Begin(Side, slot, rank);
        _index.Add(request.PrefixBlocks.Span, Holder(slot, rank), Updates);
        Updates?.End();
    }

    public override void Learn(RankSet set, int leaf, ReadOnlySpan<ulong> keys) =>
        _index.AddRemote(keys, Holder(set.Slot(leaf), set.Rank(leaf)));

    public override void CachesFlushed(int slot)
    {
        Reserve(slot);
        _epochs[slot]++;
    }

    private static long Uncomputed(long tokens, int blocks, int cached) =>
        blocks == 0 ? tokens : (long)((double)tokens * (blocks - cached) / blocks);

    private void Reserve(int slot)
    {
        if (slot >= _epochs.Length)
            Array.Resize(ref _epochs, Math.Max(slot + 1, _epochs.Length * 2));
    }

    // 13 bits slot, 10 bits rank, 8 bits epoch: entries of a former epoch match no rank. Plus one: 0 means empty.
    private uint Holder(int slot, int rank)
    {
        Reserve(slot);
        return ((((uint)slot & 0x1FFF) << 18) | (((uint)rank & 0x3FF) << 8) | _epochs[slot]) + 1;
    }

    private int Leaf(RankSet set, uint holder)
    {
        if (holder == 0)
            return -1;
        var (slot, rank) = ((int)((holder - 1) >> 18), (int)((holder - 1) >> 8) & 0x3FF);
        return slot < _epochs.Length && _epochs[slot] == (byte)(holder - 1) ? set.Leaf(slot, rank) : -1;
    }
}
