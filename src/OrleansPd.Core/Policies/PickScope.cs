namespace OrleansPd.Core.Policies;

/// <summary>The constraints of one pick.</summary>
/// <param name="Items">Slots needed on one rank.</param>
/// <param name="Tokens">Tokens that the request adds to a rank without a cached prefix of it.</param>
/// <param name="AvoidSlot">Worker to use only if there is no other; -1 = none.</param>
/// <param name="Random">Source of randomness.</param>
/// <param name="Adapters">LoRA adapters that the worker must have; null = none.</param>
internal readonly record struct PickScope(int Items, long Tokens, int AvoidSlot, Random Random, string? Adapters = null)
{
    public bool Takes(RankSet set, int leaf) =>
        set.Slot(leaf) != AvoidSlot && set.Fits(leaf, Items, Tokens) && set.Has(set.Slot(leaf), Adapters);

    public int Least(RankSet set) => set.Least(Items, Tokens, AvoidSlot, Adapters);
}
