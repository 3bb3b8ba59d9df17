namespace OrleansPd.Core.Pairing;

/// <summary>All groups of one model, and the requests that wait for one of them.</summary>
internal sealed class ModelPool(string? model, WaitQueue queue)
{
    public string? Model { get; } = model;

    public WaitQueue Queue { get; } = queue;

    /// <summary>Groups of pairs; the regular workers where the model has no others.</summary>
    public List<PairGroup> Groups { get; } = [];

    /// <summary>The regular workers of a model that has pairs too; null where it has not both.</summary>
    public PairGroup? Regular { get; set; }

    /// <summary>Most items of one request that some decode rank could hold when idle; 0 while nothing is known.</summary>
    public int MaxItems { get; set; }

    /// <summary>Why no request can be served at all now; null when some could, given room.</summary>
    public Refusal? WhyUnusable()
    {
        var (prefill, decode) = (false, false);
        foreach (var group in Groups)
        {
            var hasDecode = PairGroup.AnyUsable(group.Decode);
            var hasPrefill = group.Prefill is null ? hasDecode : PairGroup.AnyUsable(group.Prefill);
            if (hasDecode && hasPrefill)
            {
                return null;
            }
            (prefill, decode) = (prefill || hasPrefill, decode || hasDecode);
        }
        // Workers that fit nobody are never proved and so never ready: that is what to say of them, not that they are not ready.
        return NobodyFits() ? Why(prefill: true, decode: true) : Why(prefill, decode);
    }

    /// <summary>Both roles are there, in groups that have one of them each.</summary>
    private bool NobodyFits()
    {
        var (prefill, decode) = (false, false);
        foreach (var group in Groups)
        {
            var (hasPrefill, hasDecode) = (group.Prefill?.Count > 0, group.Decode.Count > 0);
            if (group.Prefill is null || (hasPrefill && hasDecode))
            {
                return false;
            }
            (prefill, decode) = (prefill || hasPrefill, decode || hasDecode);
        }
        return prefill && decode;
    }

    public static Refusal Why(bool prefill, bool decode) => (prefill, decode) switch
    {
        (false, false) => new(RefusalReason.NoWorkers, "No worker is ready.", Soon),
        (false, true) => new(RefusalReason.NoPrefill, "No prefill worker is ready.", Soon),
        (true, false) => new(RefusalReason.NoDecode, "No decode worker is ready.", Soon),
        (true, true) => new(RefusalReason.NoCompatiblePair,
            "No prefill and decode worker can exchange KV: model, version, page size, KV dtype and transport must agree.", Soon),
    };

    private static TimeSpan Soon { get; } = TimeSpan.FromSeconds(2);
}
