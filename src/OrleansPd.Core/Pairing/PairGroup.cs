namespace OrleansPd.Core.Pairing;

/// <summary>Workers that can serve a request together: one transfer group of one model, or the regular workers of a model.</summary>
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

    public static bool AnyUsable(RankSet set)
    {
        foreach (var worker in set.Workers)
        {
            if (worker?.IsPairable == true)
            {
                return true;
            }
        }
        return false;
    }
}
