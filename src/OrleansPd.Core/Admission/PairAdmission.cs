using OrleansPd.Core.Policies;
using OrleansPd.Core.Routing;

namespace OrleansPd.Core.Admission;

/// <summary>
/// Decides which requests get a pair now, which wait and which are refused. A rank never gets more than its capacity. Within a
/// model no later request is served before an earlier one, unless the earlier one needs more room on one rank than is free, and
/// then only
/// <see cref="WaitLanes.MaxPassed"/> times.
/// </summary>
internal sealed partial class PairAdmission
{
    private readonly ControlPlaneOptions _options;
    private readonly IAdmissionFleet _fleet;
    private readonly LeaseTable _leases;
    private readonly ModelPolicies _policies;
    private readonly ReturnWaits _returnWaits;
    private readonly WaitQueues _queues = new();
    private readonly HalfOpenPicker _halfOpen;
    private RateLimit _rate;
    private DrainRate _drain;
    private long _arrivals;

    /// <param name="options">The operator's settings.</param>
    /// <param name="fleet">The workers.</param>
    /// <param name="rooms">Mints and keeps the rooms.</param>
    /// <param name="random">For the policies.</param>
    /// <param name="updates">Collects what the policies learn, for the other gateways. With other gateways the capacity of a rank
    /// is the credits granted to this one, none at first; null = there are no others.</param>
    public PairAdmission(
        ControlPlaneOptions options, IAdmissionFleet fleet, RoomBook rooms, Random random, AffinityUpdates? updates = null)
    {
        _options = options;
        _fleet = fleet;
        Rooms = rooms.Table;
        Catalog = new PairCatalog(options, new LoadTable(usesCredits: updates is not null));
        _leases = new LeaseTable(options, Catalog, rooms);
        _halfOpen = new HalfOpenPicker(fleet);
        _policies = new ModelPolicies(options, random, updates);
        _returnWaits = new ReturnWaits(TimeSpan.FromSeconds(options.ReturnWaitSecs));
        _rate = new RateLimit(options.RateLimitTokensPerSecond, options.RateLimitTokensPerSecond, default);
    }

    public PairCatalog Catalog { get; }
    public RoomTable Rooms { get; }
    public bool NeedsPrefix => _policies.NeedsPrefix;

    /// <summary>Newest lease first.</summary>
    public HeldLease? Leases => _leases.Newest;

    public int Live => _leases.Live;
    public int Waiting => _queues.Count;
    public bool IsStopping { get; private set; }

    /// <summary>The slot has a new worker, or its worker a new process.</summary>
    public void Reset(int slot)
    {
        _policies.CachesFlushed(slot);
        Catalog.ResetLoad(slot);
        Rooms.NewEpoch(slot);
    }

    /// <summary>The caches of a worker are empty; requests in flight stay.</summary>
    public void CachesFlushed(int slot) => _policies.CachesFlushed(slot);

    /// <summary>Another gateway has assigned these keys to that rank.</summary>
    /// <returns>False if that rank is not known here.</returns>
    public bool Learn(LegSide side, int slot, int rank, ReadOnlySpan<ulong> keys)
    {
        if (Catalog.SetOf(slot) is not { } set || set.Leaf(slot, rank) is not (>= 0 and var leaf))
            return false;
        _policies.Of(set.Worker(leaf).Model).Picker.Learn(side, set, leaf, keys);
        return true;
    }

    public void Update(FleetSnapshot fleet, DateTimeOffset now)
    {
        Catalog.Update(fleet);
        _returnWaits.Update(fleet, now);
    }

    public AcquireAnswer Acquire(in PairRequest asked, DateTimeOffset now, long timestamp)
    {
        if (IsStopping)
            return Refuse(Stopping);
        if (Catalog.Find(asked.Model, out var refusal) is not { } pool)
            return Refuse(refusal!);
        var request = asked.Adapters is null && AdapterIn(asked.Model, pool) is { } adapter
            ? asked with { Adapters = adapter }
            : asked;
        if (pool.MaxItems > 0 && request.Items > pool.MaxItems)
        {
            return Refuse(new(RefusalReason.TooLarge,
                $"A batch of {request.Items} is larger than any worker holds; {pool.MaxItems} is the most."));
        }
        // Retries and further samples do not count against the rate limit.
        if (request.Attempt == 0 && request.Near is null && !TryTakeRate(now, out var wait))
            return Refuse(new(RefusalReason.RateLimited, "Too many requests a second.", wait));
        if (!_queues.IsBehind(pool.Model, request) && TryGrant(pool, request, TimeSpan.Zero, timestamp) is { } lease)
        {
            _queues.Served(pool.Model, null);
            return new(PairGrant.Granted(lease), null);
        }
        if (_policies.Of(pool).Routes.WhyUnusable(pool, request) is not { } why)
            return Wait(pool, request, null, now, timestamp);
        if (TryHalfOpen(pool, request, now, timestamp) is { } halfOpen)
            return new(PairGrant.Granted(halfOpen), null);
        // Workers that have just become unusable may return soon. A retry is refused: the client gets the error that caused it.
        var back = _returnWaits.Until(pool, pool.WithKnownAdapters(request));
        var mayWait = request is { Attempt: 0, MaxWait.Ticks: > 0 } && _options.QueueTimeoutSecs > 0
            && Waiting < _options.QueueSize;
        return mayWait && back > now
            ? Wait(pool, request, back, now, timestamp)
            : Refuse(why);
    }

    /// <summary>Frees the capacity of one leg. False: that leg had ended before.</summary>
    public bool Release(HeldLease lease, LegSide side, DateTimeOffset now, long timestamp)
    {
        if (!_leases.Release(lease, side))
            return false;
        if (lease.Ended)
            _drain = _drain.Left(now);
        Pump(now, timestamp);
        return true;
    }

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

    private Refusal? WhyUnusable(in PairRequest request) => Catalog.Find(request.Model, out var refusal) is { } pool
        ? _policies.Of(pool).Routes.WhyUnusable(pool, request)
        : refusal;

    private int Slot(WorkerId id) => id.IsNone ? -1 : _fleet.SlotOf(id);

    private HeldLease? TryGrant(ModelPool pool, in PairRequest request, TimeSpan waited, long timestamp)
    {
        var policies = _policies.Of(pool);
        var (avoidPrefill, avoidDecode) = (Slot(request.AvoidPrefill), Slot(request.AvoidDecode));
        return HasCapacity && policies.Routes.TryPick(pool, request, avoidPrefill, avoidDecode, out var pick)
            ? _leases.Grant(policies, pick, request, waited, timestamp)
            : null;
    }

    private HeldLease? TryHalfOpen(ModelPool pool, in PairRequest request, DateTimeOffset now, long timestamp) =>
        HasCapacity && _halfOpen.TryPick(pool, request, now, out var pick)
            ? _leases.Grant(_policies.Of(pool), pick, request, TimeSpan.Zero, timestamp)
            : null;
}
