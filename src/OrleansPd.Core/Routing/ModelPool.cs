namespace OrleansPd.Core.Routing;

/// <summary>All transfer groups of one model, and its regular workers.</summary>
internal sealed class ModelPool(string model)
{
    /// <summary>Empty while no worker has reported its model.</summary>
    public string Model { get; } = model;

    /// <summary>Transfer groups; the regular workers if the model has no others.</summary>
    public List<PairGroup> Groups { get; } = [];

    /// <summary>The regular workers of a model that has pairs too; null if it does not have both.</summary>
    public PairGroup? Regular { get; set; }

    /// <summary>The regular workers of the model, whether it has pairs or not; null if it has none.</summary>
    public PairGroup? OnlyRegular => Regular ?? (Groups is [{ IsRegular: true, Decode.Count: > 0 } only] ? only : null);

    /// <summary>Maximum number of items of one request that an idle decode rank can hold; 0 while unknown.</summary>
    public int MaxItems { get; set; }

    /// <summary>
    /// The request without adapters that no worker is known to have. Engines do not report all adapters that they could serve (an
    /// unloaded adapter is loaded again on demand), so the engines answer requests for adapters that no engine reports.
    /// </summary>
    public PairRequest WithKnownAdapters(in PairRequest request)
    {
        if (request.Adapters is not { } adapters)
            return request;
        foreach (var group in Groups)
        {
            if (group.AnyHas(adapters))
                return request;
        }
        return Regular?.AnyHas(adapters) == true ? request : request with { Adapters = null };
    }

    /// <summary>Why no worker is usable for a request; null when some are, with or without free capacity.</summary>
    /// <param name="adapters">Only workers with these adapters count; null = all do.</param>
    public Refusal? WhyUnusable(string? adapters = null)
    {
        var (prefill, decode) = (false, false);
        foreach (var group in Groups)
        {
            var hasDecode = PairGroup.AnyUsable(group.Decode, adapters);
            var hasPrefill = group.Prefill is null ? hasDecode : PairGroup.AnyUsable(group.Prefill, adapters);
            if (hasDecode && hasPrefill)
                return null;
            (prefill, decode) = (prefill || hasPrefill, decode || hasDecode);
        }
        // Workers without a fitting partner never become ready: report that, not that they are not ready.
        var why = NoGroupHasBothRoles() ? Why(prefill: true, decode: true) : Why(prefill, decode);
        return adapters is null || WhyUnusable() is not null ? why : why with { Message = WhyNot(adapters, prefill, decode) };
    }

    /// <summary>Why no regular worker is usable; null when some are, with or without free capacity.</summary>
    public Refusal? WhyNoRegular(string? adapters) => OnlyRegular is { } regular && PairGroup.AnyUsable(regular.Decode, adapters)
        ? null
        : new(
            RefusalReason.NoWorkers,
            $"No regular worker {(adapters is null ? "" : $"that {Having(adapters)} ")}is ready.", Soon);

    private static string Having(string adapters) =>
        $"has the LoRA adapter '{adapters.Replace("\n", "' and '", StringComparison.Ordinal)}'";

    private static string WhyNot(string adapters, bool prefill, bool decode)
    {
        var has = Having(adapters);
        return (prefill, decode) switch
        {
            (false, false) => $"No worker that {has} is ready.",
            (false, true) => $"No prefill worker that {has} is ready; a pair needs it on both sides.",
            (true, false) => $"No decode worker that {has} is ready; a pair needs it on both sides.",
            (true, true) => $"No prefill and decode worker of one transfer group {has} on both sides.",
        };
    }

    /// <summary>The model has workers of both roles, but each transfer group has only one of them.</summary>
    private bool NoGroupHasBothRoles()
    {
        var (prefill, decode) = (false, false);
        foreach (var group in Groups)
        {
            var (hasPrefill, hasDecode) = (group.Prefill?.Count > 0, group.Decode.Count > 0);
            if (group.Prefill is null || (hasPrefill && hasDecode))
                return false;
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
