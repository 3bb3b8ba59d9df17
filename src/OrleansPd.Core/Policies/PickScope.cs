using OrleansPd.Core.Load;

namespace OrleansPd.Core.Policies;

/// <summary>What one choice must respect.</summary>
/// <param name="Items">Places needed on one rank.</param>
/// <param name="Tokens">Tokens the request adds to a rank that has none of it cached.</param>
/// <param name="AvoidSlot">Worker that is taken only where there is no other; -1 = none.</param>
/// <param name="Random">Source of chance.</param>
/// <param name="Adapters">LoRA adapters that the worker must have; null = none.</param>
internal readonly record struct PickScope(int Items, long Tokens, int AvoidSlot, Random Random, string? Adapters = null)
{
    public bool Takes(RankSet set, int leaf) =>
        set.Slot(leaf) != AvoidSlot && set.Fits(leaf, Items, Tokens) && set.Has(set.Slot(leaf), Adapters);

    public int Least(RankSet set) => set.Least(Items, Tokens, AvoidSlot, Adapters);
}
