namespace OrleansPd.Core.Routing;

/// <summary>
/// Decides between a pair and a regular worker if a model has both: splitting pays for long prompts only. Without a usable pair a
/// request is refused unless the operator has allowed the fallback.
/// </summary>
internal sealed class RoutePicker(PairPicker picker, ControlPlaneOptions options)
{
    public bool TryPick(ModelPool pool, in PairRequest asked, int avoidPrefill, int avoidDecode, out PairPick pick)
    {
        var request = pool.WithKnownAdapters(asked);
        if (request.OnlyRegular)
        {
            pick = default;
            var found = pool.OnlyRegular is { } only && picker.TryGroup(only, request, avoidPrefill, avoidDecode, out pick);
            pick = pick with { Route = RouteReason.OnlyRegular };
            return found;
        }
        var isShort = false;
        if (pool.Regular is { } regular && options.PdMinUncachedTokens > 0)
        {
            if (picker.TryGroup(regular, request, avoidPrefill, avoidDecode, out pick))
            {
                if (picker.Uncached(pick, request) < options.PdMinUncachedTokens)
                {
                    pick = pick with { Route = RouteReason.ShortPrompt };
                    return true;
                }
            }
            else
            {
                isShort = request.PromptTokens < options.PdMinUncachedTokens;
            }
        }
        if (picker.TryPick(pool, request, avoidPrefill, avoidDecode, out pick))
        {
            pick = pick with
            {
                Route = pick.Prefill < 0 ? RouteReason.OnlyRegular : isShort ? RouteReason.RegularBusy
                : RouteReason.Pair
            };
            return true;
        }
        if (options.PdFallback && pool.Regular is { } other && pool.WhyUnusable(request.Adapters) is not null
            && picker.TryGroup(other, request, avoidPrefill, avoidDecode, out pick))
        {
            pick = pick with { Route = RouteReason.Fallback };
            return true;
        }
        return false;
    }

    /// <summary>Why no worker is usable for the request; null when some are, with or without free capacity.</summary>
    public Refusal? WhyUnusable(ModelPool pool, in PairRequest asked)
    {
        var request = pool.WithKnownAdapters(asked);
        if (request.OnlyRegular)
            return pool.WhyNoRegular(request.Adapters);
        if (pool.WhyUnusable(request.Adapters) is not { } why)
            return null;
        if (pool.Regular is not { } regular || !PairGroup.AnyUsable(regular.Decode, request.Adapters))
            return why;
        var mayUseRegular = options.PdFallback || request.PromptTokens < options.PdMinUncachedTokens;
        return mayUseRegular ? null
            : why with { Message = why.Message + " Regular workers are there, but may not take over (PdFallback is off)." };
    }
}
