using OrleansPd.Core.Load;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Routing;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admission;

/// <summary>
/// Admission: who gets a pair now, who waits, who is refused. A rank is never given more than its window. Nobody who comes
/// later overtakes in the same model, except where the one in front needs more room on one rank than is free, and then not
/// for ever.
/// </summary>
internal sealed class PairAdmission
{
    private const int MaxLookedAt = 16;

    private readonly ControlPlaneOptions _options;
    private readonly IAdmissionFleet _fleet;
    private readonly RoomMint _mint;
    private readonly LoadTable _loads;
    private readonly ModelPolicies _policies;
    private readonly ReturnWaits _returnWaits;
    private readonly WaitQueues _queues = new();
    private readonly HalfOpenPicker _trials;
    private RateLimit _rate;
    private DrainRate _drain;
    private long _numbers;

    /// <param name="options">What the operator wants.</param>
    /// <param name="fleet">The workers.</param>
    /// <param name="mint">Makes the rooms.</param>
    /// <param name="random">For the policies.</param>
    /// <param name="leased">Windows are credits granted by others, set with <see cref="Lease"/>; none to begin with.</param>
    /// <param name="news">Takes what the policies learn; null = there are no other gateways.</param>
    public PairAdmission(
        ControlPlaneOptions options, IAdmissionFleet fleet, RoomMint mint, Random random, bool leased =
            false, AffinityUpdates? news = null)
    {
        _options = options;
        _loads = new LoadTable(leased);
        _fleet = fleet;
        _mint = mint;
        Catalog = new PairCatalog(options, _loads);
        _trials = new HalfOpenPicker(fleet);
        _policies = new ModelPolicies(options, random, news);
        _returnWaits = new ReturnWaits(TimeSpan.FromSeconds(options.ReturnWaitSecs));
        _rate = new RateLimit(options.RateLimitTokensPerSecond, options.RateLimitTokensPerSecond, default);
    }

    public PairCatalog Catalog { get; }

    public bool NeedsPrefix => _policies.NeedsPrefix;

    /// <summary>Newest lease first.</summary>
    public HeldLease? Leases { get; private set; }

    /// <summary>Leases of which a leg still runs.</summary>
    public int Live { get; private set; }

    public int Waiting => _queues.Count;

    public bool IsStopping { get; private set; }

    public int InFlight(int slot) => _loads.InFlight(slot);

    public ref readonly RankLoad Load(int slot, int rank) => ref _loads.At(slot, rank);

    public void Forget(int slot)
    {
        _policies.Forget(slot);
        _loads.Forget(slot);
    }

    /// <summary>The caches of a worker are empty; what is in flight stays.</summary>
    public void ForgetCaches(int slot) => _policies.Forget(slot);

    /// <summary>Another gateway has learned that these keys are on that rank.</summary>
    /// <returns>False where that rank is not known here, or not yet.</returns>
    public bool Learn(LegSide side, int slot, int rank, ReadOnlySpan<ulong> keys)
    {
        if (Catalog.SetOf(slot) is not { } set || set.Leaf(slot, rank) is not (>= 0 and var leaf))
        {
            return false;
        }
        _policies.Of(set.Worker(leaf).Model).Picker.Learn(side, set, leaf, keys);
        return true;
    }

    /// <summary>Takes a new snapshot of the fleet.</summary>
    public void Take(FleetSnapshot fleet, DateTimeOffset now)
    {
        Catalog.Take(fleet);
        _returnWaits.Take(fleet, now);
    }

    /// <summary>Takes what a worker's engine told of its load. Cells stand for ranks, or one for all.</summary>
    public void Read(WorkerSnapshot worker, EngineLoad load, DateTimeOffset now)
    {
        var cells = Catalog.SetOf(worker.Slot) is null ? 0 : Catalog.Ranks(worker);
        for (var cell = 0; cell < cells; cell++)
        {
            if (RankReadings.For(load.Ranks, cell, cells) is { } reading)
            {
                _loads.Read(worker.Slot, cell, reading, now);
                Rescore(worker.Slot, cell);
            }
        }
    }

    /// <summary>Takes credits for one rank of a worker.</summary>
    public void Lease(int slot, int rank, int window, int largest, int others, long othersTokens)
    {
        _loads.Lease(slot, rank, window, largest, others, othersTokens);
        Rescore(slot, rank);
    }

    /// <summary>Most we had on a rank since the last call.</summary>
    public int TakePeak(int slot, int rank) => _loads.TakePeak(slot, rank);

    /// <summary>Lets fade what others were seen to have.</summary>
    public void Fade(WorkerSnapshot worker, DateTimeOffset now)
    {
        for (var cell = 0; Catalog.SetOf(worker.Slot) is not null && cell < Catalog.Ranks(worker); cell++)
        {
            if (_loads.Fade(worker.Slot, cell, now))
            {
                Rescore(worker.Slot, cell);
            }
        }
    }

    public AcquireAnswer Acquire(in PairRequest asked, DateTimeOffset now, long timestamp)
    {
        if (IsStopping)
        {
            return Refuse(Stopping);
        }
        if (Catalog.Find(asked.Model, out var refusal) is not { } pool)
        {
            return Refuse(refusal!);
        }
        var request = asked.Adapters is null && AdapterIn(asked.Model, pool) is { } adapter
            ? asked with { Adapters = adapter }
            : asked;
        if (pool.MaxItems > 0 && request.Items > pool.MaxItems)
        {
            return Refuse(new(RefusalReason.TooLarge,
                $"A batch of {request.Items} is larger than any worker holds; {pool.MaxItems} is the most."));
        }
        // A retry or one more sample is no new request of the client's.
        if (request.Attempt == 0 && request.Near is null && !TryTakeRate(now, out var wait))
        {
            return Refuse(new(RefusalReason.RateLimited, "Too many requests a second.", wait));
        }
        if (!_queues.IsBehind(pool.Model, request) && TryGrant(pool, request, TimeSpan.Zero, timestamp) is { } lease)
        {
            _queues.Served(pool.Model, null);
            return new(PairGrant.Granted(lease), null);
        }
        if (_policies.Of(pool).Routes.WhyUnusable(pool, request) is not { } why)
        {
            return Wait(pool, request, null, now, timestamp);
        }
        if (TryHalfOpen(pool, request, now, timestamp) is { } trial)
        {
            return new(PairGrant.Granted(trial), null);
        }
        // Whoever has just gone away may be back in a moment. A retry tells of what made it necessary instead.
        var back = _returnWaits.Until(pool, pool.Known(request));
        var mayWait = request is { Attempt: 0, MaxWait.Ticks: > 0 } && _options.QueueTimeoutSecs > 0
            && Waiting < _options.QueueSize;
        return mayWait && back > now
            ? Wait(pool, request, back, now, timestamp)
            : Refuse(why);
    }

    /// <summary>Ends the wait of a request whose caller left. False: it has its outcome already.</summary>
    public bool Abandon(WaitingRequest waiting, DateTimeOffset now, long timestamp)
    {
        if (!_queues.Leave(waiting))
        {
            return false;
        }
        Pump(now, timestamp);
        return true;
    }

    /// <summary>Ends a wait that was too long. False: it has its outcome already.</summary>
    public bool TimedOut(WaitingRequest waiting, DateTimeOffset now, long timestamp)
    {
        var ahead = Waiting;
        if (!Abandon(waiting, now, timestamp))
        {
            return false;
        }
        waiting.Grant = PairGrant.Refused(WhyUnusable(waiting.Request)
            ?? new(RefusalReason.QueueTimeout, "No capacity came free in time.", _drain.TimeFor(ahead, now)));
        return true;
    }

    /// <summary>Gives back what one leg held. False: that leg had ended before.</summary>
    public bool Release(HeldLease lease, LegSide side, DateTimeOffset now, long timestamp)
    {
        if (side == LegSide.Prefill ? lease.PrefillEnded : lease.DecodeEnded)
        {
            return false;
        }
        if (side == LegSide.Prefill)
        {
            lease.PrefillEnded = true;
            Charge(lease.Prefill!.Slot, lease.PrefillCell, -lease.Items, -lease.PrefillTokens);
        }
        else
        {
            lease.DecodeEnded = true;
            Charge(lease.Decode.Slot, lease.DecodeCell, -lease.Items, -lease.DecodeTokens);
        }
        if (lease.Ended)
        {
            Unlink(lease);
            _drain = _drain.Left(now);
        }
        Pump(now, timestamp);
        return true;
    }

    /// <summary>Grants what waits, as far as there is room. To be called whenever there may be more of it.</summary>
    public void Pump(DateTimeOffset now, long timestamp)
    {
        if (now >= _queues.NextReturn)
        {
            EndReturnWaits(now);
        }
        while (Waiting > 0 && HasCapacity && NextServed(now, timestamp))
        {
        }
    }

    /// <summary>Refuses all that waits, and all that comes.</summary>
    public void Stop()
    {
        IsStopping = true;
        _queues.EndAll(PairGrant.Refused(Stopping));
    }

    /// <summary>Moves the requests whose wait ended with an outcome to the caller's list.</summary>
    public void TakeGranted(List<WaitingRequest> into) => _queues.TakeEnded(into);

    private static Refusal Stopping { get; } = new(RefusalReason.ShuttingDown, "The gateway is stopping.");

    private bool HasCapacity => _options.MaxConcurrentRequests < 0 || Live < _options.MaxConcurrentRequests;

    private static AcquireAnswer Refuse(Refusal refusal) => new(PairGrant.Refused(refusal), null);

    private bool TryTakeRate(DateTimeOffset now, out TimeSpan wait) => _rate.TryTake(now, out _rate, out wait);

    /// <summary>The adapter in <c>base:adapter</c>, where the base is the pool's model.</summary>
    private static string? AdapterIn(string? model, ModelPool pool) =>
        model is not null && pool.Model is { Length: > 0 } own && model.Length > own.Length + 1 && model[own.Length] == ':'
            && model.StartsWith(own, StringComparison.Ordinal)
            ? model[(own.Length + 1)..]
            : null;

    /// <param name="pool">The model.</param>
    /// <param name="request">The request.</param>
    /// <param name="returnBy">Until when workers that have gone away are waited for; null = it waits for capacity.</param>
    /// <param name="now">The time.</param>
    /// <param name="timestamp">The same as a timestamp.</param>
    private AcquireAnswer Wait(
        ModelPool pool, in PairRequest request, DateTimeOffset? returnBy, DateTimeOffset now, long timestamp)
    {
        var longest = TimeSpan.FromSeconds(_options.QueueTimeoutSecs);
        var wait = request.MaxWait < longest ? request.MaxWait : longest;
        if (wait <= TimeSpan.Zero)
        {
            return Refuse(new(RefusalReason.QueueTimeout, "No capacity is free.", _drain.TimeFor(Waiting + 1, now)));
        }
        if (Waiting >= _options.QueueSize)
        {
            return Refuse(new(RefusalReason.QueueFull, $"{Waiting} requests wait already.", _drain.TimeFor(Waiting + 1, now)));
        }
        var waiting = new WaitingRequest(request, ++_numbers, wait) { Since = now, ReturnBy = returnBy };
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
    /// Serves the first of those that stand in front of their model's queue; where it does not fit, one behind it.
    /// </summary>
    private bool NextServed(DateTimeOffset now, long timestamp)
    {
        WaitingRequest? served = null;
        ModelPool? from = null;
        foreach (var pool in Catalog.Pools)
        {
            if (_queues.Of(pool.Model) is not { } lanes)
            {
                continue;
            }
            var barrier = lanes.Barrier();
            foreach (var lane in lanes.All)
            {
                if (FirstThatFits(pool, lane, barrier, served) is { } fits)
                {
                    (served, from) = (fits, pool);
                }
            }
        }
        if (served is null || TryGrant(from!, served.Request, now - served.Since, timestamp) is not { } lease)
        {
            return false;
        }
        _queues.Served(from!.Model, served);
        _queues.End(served, PairGrant.Granted(lease));
        return true;
    }

    /// <summary>The first in a lane that could be served now; null where none is to be.</summary>
    /// <param name="pool">The model.</param>
    /// <param name="lane">One of its lanes.</param>
    /// <param name="barrier">Nobody behind it is served before it; null = none.</param>
    /// <param name="rival">Whoever stands behind it is of no interest; null = none.</param>
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
            {
                return waiting;
            }
            // Alike requests behind it fit no better. One that needs many places lets smaller ones pass, for a while.
            if (waiting.Request.Items == 1 || waiting.Passed >= WaitLanes.MaxPassed)
            {
                return null;
            }
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
            {
                _queues.End(waiting, PairGrant.Refused(why));
            }
        }
    }

    private Refusal? WhyUnusable(in PairRequest request) => Catalog.Find(request.Model, out var refusal) is { } pool
        ? _policies.Of(pool).Routes.WhyUnusable(pool, request)
        : refusal;

    private int Slot(WorkerId id) => id.IsNone ? -1 : _fleet.SlotOf(id);

    private HeldLease? TryGrant(ModelPool pool, in PairRequest request, TimeSpan waited, long timestamp)
    {
        var policies = _policies.Of(pool);
        var (avoidPrefill, avoidDecode) = (Slot(request.AvoidPrefill), Slot(request.AvoidDecode));
        return HasCapacity && policies.Routes.TryPick(pool, request, avoidPrefill, avoidDecode, out var pick)
            ? Grant(policies, pick, request, waited, timestamp)
            : null;
    }

    private HeldLease? TryHalfOpen(ModelPool pool, in PairRequest request, DateTimeOffset now, long timestamp) =>
        HasCapacity && _trials.TryPick(pool, request, now, out var pick)
            ? Grant(_policies.Of(pool), pick, request, TimeSpan.Zero, timestamp)
            : null;

    private HeldLease Grant(PoolPolicies policies, in PairPick pick, in PairRequest request, TimeSpan waited, long timestamp)
    {
        var decodeSet = pick.Group.Decode;
        var (prefill, prefillRank) = pick.Group.Prefill is { } set
            ? (set.Worker(pick.Prefill), set.Rank(pick.Prefill))
            : (null, 0);
        var (decode, decodeRank) = (decodeSet.Worker(pick.Decode), decodeSet.Rank(pick.Decode));
        var uncached = policies.Picker.Uncached(pick, request);
        var lease = new HeldLease
        {
            Id = ++_numbers,
            Prefill = prefill,
            Decode = decode,
            PrefillRank = prefillRank,
            DecodeRank = decodeRank,
            Rooms = prefill is null ? ReadOnlyMemory<long>.Empty : Rooms(prefill, prefillRank, request.Items),
            PrefillTarget = LegTargets.Prefill(_options.DpRanks, prefill, prefillRank),
            DecodeTarget = LegTargets.Decode(_options.DpRanks, prefill, prefillRank, decode, decodeRank),
            Items = request.Items,
            PrefillTokens = prefill is null ? 0 : uncached,
            DecodeTokens = PairPicker.DecodeTokens(request),
            Started = timestamp,
            PrefillCell = prefillRank,
            DecodeCell = decodeRank,
            PrefillHalfOpen = pick.PrefillHalfOpen,
            DecodeHalfOpen = pick.DecodeHalfOpen,
            PrefillEnded = prefill is null,
            RouteExplanation = Why(policies, pick, uncached, waited),
        };
        if (prefill is not null)
        {
            Charge(prefill.Slot, prefillRank, lease.Items, lease.PrefillTokens);
            pick.Group.Prefill!.Taken(pick.Prefill, lease.PrefillTokens);
        }
        Charge(decode.Slot, decodeRank, lease.Items, lease.DecodeTokens);
        decodeSet.Taken(pick.Decode, lease.DecodeTokens, remembers: prefill is null || policies.Picker.DecodeRemembers);
        policies.Picker.Chosen(pick, request);
        Link(lease);
        return lease;
    }

    private static RouteExplanation Why(PoolPolicies policies, in PairPick pick, long uncached, TimeSpan waited) => new()
    {
        Route = pick.Route,
        PrefillPolicy = pick.Group.Prefill is null ? null : policies.Prefill,
        DecodePolicy = pick.Group.Prefill is null ? policies.Prefill : policies.Decode,
        PrefillCandidates = pick.Group.Prefill?.Count ?? 0,
        DecodeCandidates = pick.Group.Decode.Count,
        PrefillScore = pick.Group.Prefill?.Weight(pick.Prefill) ?? 0,
        DecodeScore = pick.Group.Decode.Weight(pick.Decode),
        UncachedTokens = uncached,
        Waited = waited,
        IsHalfOpen = pick.PrefillHalfOpen || pick.DecodeHalfOpen,
    };

    private long[] Rooms(WorkerSnapshot prefill, int rank, int items)
    {
        var rooms = new long[items];
        if (_options.DpRanks == DpRankMode.Engine)
        {
            _mint.Fill(rooms, 1, 0);
        }
        else
        {
            _mint.Fill(rooms, prefill.DpSize, rank);
        }
        return rooms;
    }

    private void Charge(int slot, int rank, int items, long tokens)
    {
        _loads.Add(slot, rank, items, tokens);
        Rescore(slot, rank);
    }

    private void Rescore(int slot, int rank)
    {
        if (Catalog.SetOf(slot) is { } set && set.Leaf(slot, rank) is >= 0 and var leaf)
        {
            set.Rescore(leaf);
        }
    }

    private void Link(HeldLease lease)
    {
        lease.Next = Leases;
        if (Leases is not null)
        {
            Leases.Previous = lease;
        }
        Leases = lease;
        Live++;
    }

    private void Unlink(HeldLease lease)
    {
        if (lease.Previous is null)
        {
            Leases = lease.Next;
        }
        else
        {
            lease.Previous.Next = lease.Next;
        }
        if (lease.Next is not null)
        {
            lease.Next.Previous = lease.Previous;
        }
        (lease.Next, lease.Previous) = (null, null);
        Live--;
    }
}
