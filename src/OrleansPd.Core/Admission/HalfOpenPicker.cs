using OrleansPd.Core.Routing;

namespace OrleansPd.Core.Admission;

/// <summary>
/// Sends a client's request to a worker whose breaker is open if no other worker of its role is usable: one half-open request at
/// a time, until the breaker's time limit. A breaker must not lock out the only pair.
/// </summary>
internal sealed class HalfOpenPicker(IAdmissionFleet fleet)
{
    public bool TryPick(ModelPool pool, in PairRequest asked, DateTimeOffset now, out PairPick pick)
    {
        var request = pool.WithKnownAdapters(asked);
        IReadOnlyList<PairGroup> groups = !request.OnlyRegular ? pool.Groups : pool.OnlyRegular is { } regular ? [regular] : [];
        foreach (var group in groups)
        {
            var decode = Usable(group.Decode, request, now, out var decodeHalfOpen);
            var prefillHalfOpen = false;
            var prefill = group.Prefill is null ? -1 : Usable(group.Prefill, request, now, out prefillHalfOpen);
            if (decode >= 0 && (prefill >= 0 || group.Prefill is null))
            {
                _ = decodeHalfOpen && fleet.TryHalfOpen(group.Decode.Slot(decode), take: true, now);
                _ = prefillHalfOpen && fleet.TryHalfOpen(group.Prefill!.Slot(prefill), take: true, now);
                pick = new(group, prefill, decode, prefillHalfOpen, decodeHalfOpen)
                {
                    Route = group.IsRegular ? RouteReason.OnlyRegular : RouteReason.Pair,
                };
                return true;
            }
        }
        pick = default;
        return false;
    }

    private int Usable(RankSet set, in PairRequest request, DateTimeOffset now, out bool halfOpen)
    {
        halfOpen = false;
        var leaf = set.Least(request.Items, 1, -1, request.Adapters);
        for (var i = 0; leaf < 0 && i < set.Count; i++)
        {
            var worker = set.Worker(i);
            if (worker.Phase == WorkerPhase.Broken && set.Load(i).Fits(request.Items, 1)
                && set.Has(worker.Slot, request.Adapters) && fleet.TryHalfOpen(worker.Slot, take: false, now))
            {
                (leaf, halfOpen) = (i, true);
            }
        }
        return leaf;
    }
}
