using OrleansPd.Core.Policies;

namespace OrleansPd.Core.Routing;

/// <summary>Workers that can serve a request together: a transfer group of a model, or the regular workers of a model.</summary>
internal sealed class PairGroup(string key, string? model, RankSet? prefill, RankSet decode)
{
    /// <summary>Unique among the groups of a model.</summary>
    public ulong Key { get; } = Hash.Of(key);

    public string? Model { get; } = model;

    /// <summary>Null for regular workers.</summary>
    public RankSet? Prefill { get; } = prefill;

    public RankSet Decode { get; } = decode;
    public bool IsRegular => Prefill is null;

    /// <summary>Whether some worker of the group is known to have the adapters.</summary>
    public bool AnyHas(string adapters) => Decode.AnyHas(adapters) || Prefill?.AnyHas(adapters) == true;

    /// <summary>Whether some worker of the set that has the adapters (null = any worker) is usable.</summary>
    public static bool AnyUsable(RankSet set, string? adapters)
    {
        foreach (var worker in set.Workers)
        {
            if (worker?.IsPairable == true && set.Has(worker.Slot, adapters))
                return true;
        }
        return false;
    }
}
