using OrleansPd.Core.Load;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Routing;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admission;

/// <summary>
/// Gives a client's request to a worker whose breaker is open, where no other worker of its role can be used: one request, under
/// the breaker's lease. A breaker must not lock out the only pair.
/// </summary>
internal sealed class HalfOpenPicker(IAdmissionFleet fleet)
{
    public bool TryPick(ModelPool pool, in PairRequest asked, DateTimeOffset now, out PairPick pick)
    {
        var request = pool.Known(asked);
        IReadOnlyList<PairGroup> groups = !request.OnlyRegular ? pool.Groups : pool.OnlyRegular is { } regular ? [regular] : [];
        foreach (var group in groups)
        {
            var decode = Usable(group.Decode, request, now, out var decodeHalfOpen);
            var prefillHalfOpen = false;
            var prefill = group.Prefill is null ? -1 : Usable(group.Prefill, request, now, out prefillHalfOpen);
            if (decode >= 0 && (prefill >= 0 || group.Prefill is null))
            {
                Take(decodeHalfOpen, group.Decode, decode, now);
                Take(prefillHalfOpen, group.Prefill, prefill, now);
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

    private int Usable(RankSet set, in PairRequest request, DateTimeOffset now, out bool trial)
    {
        trial = false;
        var leaf = set.Least(request.Items, 1, -1, request.Adapters);
        for (var i = 0; leaf < 0 && i < set.Count; i++)
        {
            var worker = set.Worker(i);
            if (worker.Phase == WorkerPhase.Broken && set.Load(i).Fits(request.Items, 1)
                && set.Has(worker.Slot, request.Adapters) && fleet.TryHalfOpen(worker.Slot, take: false, now))
            {
                (leaf, trial) = (i, true);
            }
        }
        return leaf;
    }

    private void Take(bool trial, RankSet? set, int leaf, DateTimeOffset now)
    {
        if (trial)
        {
            _ = fleet.TryHalfOpen(set!.Slot(leaf), take: true, now);
        }
    }
}
