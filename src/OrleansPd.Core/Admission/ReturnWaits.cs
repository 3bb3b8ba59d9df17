using OrleansPd.Core.Routing;

namespace OrleansPd.Core.Admission;

/// <summary>Since when workers that have served are unusable: requests wait some time for their return.</summary>
internal sealed class ReturnWaits(TimeSpan timeout)
{
    private (WorkerId Id, bool Serves, DateTimeOffset Since)[] _known = [];

    public void Update(FleetSnapshot fleet, DateTimeOffset now)
    {
        foreach (var worker in fleet.Workers)
        {
            if (worker.Slot >= _known.Length)
                Array.Resize(ref _known, Math.Max(16, (worker.Slot + 1) * 2));
            ref var known = ref _known[worker.Slot];
            if (worker.IsPairable || known.Id != worker.Id)
                known = (worker.Id, worker.IsPairable, default);
            else if (known.Serves)
                known = (worker.Id, false, now);
        }
    }

    /// <summary>Until when the request waits for a usable worker; in the past if no worker is expected to return.</summary>
    public DateTimeOffset Until(ModelPool pool, in PairRequest request)
    {
        var latest = DateTimeOffset.MinValue;
        if (request.OnlyRegular)
            return pool.OnlyRegular is { } regular ? Until(regular.Decode, request.Adapters) : latest;
        foreach (var group in pool.Groups)
        {
            var until = Until(group.Decode, request.Adapters);
            var prefill = group.Prefill is null ? until : Until(group.Prefill, request.Adapters);
            until = prefill < until ? prefill : until;
            latest = until > latest ? until : latest;
        }
        return latest;
    }

    private DateTimeOffset Until(RankSet set, string? adapters)
    {
        var latest = DateTimeOffset.MinValue;
        foreach (var worker in set.Workers)
        {
            if (worker is null || !set.Has(worker.Slot, adapters))
                continue;
            if (worker.IsPairable)
                return DateTimeOffset.MaxValue;
            var mayReturn = worker.Phase is WorkerPhase.Registered or WorkerPhase.Probing or WorkerPhase.Broken;
            if (mayReturn && worker.Slot < _known.Length && _known[worker.Slot] is { Since: var since } known
                && known.Id == worker.Id && since != default && since + timeout > latest)
            {
                latest = since + timeout;
            }
        }
        return latest;
    }
}
