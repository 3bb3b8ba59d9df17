using OrleansPd.Core.Routing;

namespace OrleansPd.Core.Admission;

/// <summary>Requests that wait: joining, the choice of the next one, and the end of a wait without a lease.</summary>
internal sealed partial class PairAdmission
{
    /// <summary>Requests of one lane that are tried for a grant, where the first of them do not fit.</summary>
    private const int MaxLookedAt = 16;

    /// <summary>Ends the wait of a request whose caller left. False: it has its outcome already.</summary>
    public bool Abandon(WaitingRequest waiting, DateTimeOffset now, long timestamp)
    {
        if (!_queues.Leave(waiting))
            return false;
        Pump(now, timestamp);
        return true;
    }

    /// <summary>Ends a wait that was too long. False: it has its outcome already.</summary>
    public bool TimedOut(WaitingRequest waiting, DateTimeOffset now, long timestamp)
    {
        var ahead = Waiting;
        if (!Abandon(waiting, now, timestamp))
            return false;
        waiting.Grant = PairGrant.Refused(WhyUnusable(waiting.Request)
            ?? new(RefusalReason.QueueTimeout, "No capacity came free in time.", _drain.TimeFor(ahead, now)));
        return true;
    }

    /// <summary>Serves waiting requests while there is room. To be called whenever capacity may have become free.</summary>
    public void Pump(DateTimeOffset now, long timestamp)
    {
        if (now >= _queues.NextReturn)
            EndReturnWaits(now);
        while (Waiting > 0 && HasCapacity && NextServed(now, timestamp))
        {
        }
    }

    /// <param name="pool">The model.</param>
    /// <param name="returnBy">Until when it waits for workers to return; null = it waits for capacity.</param>
    private AcquireAnswer Wait(
        ModelPool pool, in PairRequest request, DateTimeOffset? returnBy, DateTimeOffset now, long timestamp)
    {
        var max = TimeSpan.FromSeconds(_options.QueueTimeoutSecs);
        var wait = request.MaxWait < max ? request.MaxWait : max;
        if (wait <= TimeSpan.Zero)
            return Refuse(new(RefusalReason.QueueTimeout, "No capacity is free.", _drain.TimeFor(Waiting + 1, now)));
        if (Waiting >= _options.QueueSize)
            return Refuse(new(RefusalReason.QueueFull, $"{Waiting} requests wait already.", _drain.TimeFor(Waiting + 1, now)));
        var waiting = new WaitingRequest(request, ++_arrivals, wait) { Since = now, ReturnBy = returnBy };
        _queues.Join(pool.Model, waiting);
        Pump(now, timestamp);
        if (waiting.Grant is { } grant)
        {
            _queues.Answered(waiting);
            return new(grant, null);
        }
        return new(null, waiting);
    }

    /// <summary>
    /// Serves the first request of all lanes that fits; of a lane whose first request does not fit, a later one may be served.
    /// </summary>
    private bool NextServed(DateTimeOffset now, long timestamp)
    {
        WaitingRequest? served = null;
        ModelPool? from = null;
        foreach (var pool in Catalog.Pools)
        {
            if (_queues.Of(pool.Model) is not { } lanes)
                continue;
            var barrier = lanes.Barrier();
            foreach (var lane in lanes.All)
            {
                if (FirstThatFits(pool, lane, barrier, served) is { } fits)
                    (served, from) = (fits, pool);
            }
        }
        if (served is null || TryGrant(from!, served.Request, now - served.Since, timestamp) is not { } lease)
            return false;
        _queues.Served(from!.Model, served);
        _queues.End(served, PairGrant.Granted(lease));
        return true;
    }

    /// <summary>The first request of a lane that can be served now; null = none.</summary>
    /// <param name="pool">The model.</param>
    /// <param name="barrier">No later request is served before this one; null = none.</param>
    /// <param name="rival">Another request that can be served; later ones are skipped. Null = none.</param>
    private WaitingRequest? FirstThatFits(ModelPool pool, WaitQueue lane, WaitingRequest? barrier, WaitingRequest? rival)
    {
        var routes = _policies.Of(pool).Routes;
        var looked = 0;
        for (var waiting = lane.First; waiting is not null && looked < MaxLookedAt; waiting = waiting.Next, looked++)
        {
            if ((rival is not null && !WaitQueue.Before(waiting, rival))
                || (barrier is not null && WaitQueue.Before(barrier, waiting)))
            {
                return null;
            }
            var (avoidPrefill, avoidDecode) = (Slot(waiting.Request.AvoidPrefill), Slot(waiting.Request.AvoidDecode));
            if (routes.TryPick(pool, waiting.Request, avoidPrefill, avoidDecode, out _))
                return waiting;
            // Later requests of one item fit no better. One with several items lets smaller ones pass, up to a limit.
            if (waiting.Request.Items == 1 || waiting.Passed >= WaitLanes.MaxPassed)
                return null;
        }
        return null;
    }

    /// <summary>
    /// Refuses requests that waited for workers which did not return. Where the workers are back and full, the request waits on,
    /// for capacity.
    /// </summary>
    private void EndReturnWaits(DateTimeOffset now)
    {
        foreach (var waiting in _queues.TakeReturnsOver(now))
        {
            if (WhyUnusable(waiting.Request) is { } why)
                _queues.End(waiting, PairGrant.Refused(why));
        }
    }
}
