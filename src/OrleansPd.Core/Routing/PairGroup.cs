using OrleansPd.Core.Load;
using OrleansPd.Core.Policies;

namespace OrleansPd.Core.Routing;

/// <summary>
/// Workers that can serve a request together: one transfer group of one model, or the regular workers of a model.
/// </summary>
internal sealed class PairGroup(string key, string? model, RankSet? prefill, RankSet decode)
{
    /// <summary>Never equal for two groups of one model.</summary>
    public ulong Key { get; } = Hash.Of(key);

    public string? Model { get; } = model;

    /// <summary>Null for regular workers.</summary>
    public RankSet? Prefill { get; } = prefill;

    /// <summary>Decode workers, or regular ones.</summary>
    public RankSet Decode { get; } = decode;

    public bool IsRegular => Prefill is null;

    public bool Holds(int slot) => Decode.Has(slot) || Prefill?.Has(slot) == true;

    /// <summary>Whether some worker here is known to have the adapters.</summary>
    public bool AnyHas(string adapters) => Decode.AnyHas(adapters) || Prefill?.AnyHas(adapters) == true;

    /// <summary>Whether some worker of the set can be used, of those that have the adapters (null = all).</summary>
    public static bool AnyUsable(RankSet set, string? adapters)
    {
        foreach (var worker in set.Workers)
        {
            if (worker?.IsPairable == true && set.Has(worker.Slot, adapters))
            {
                return true;
            }
        }
        return false;
    }
}
