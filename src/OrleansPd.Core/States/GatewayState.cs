using OrleansPd.Core.Admission;
using OrleansPd.Core.Policies;

namespace OrleansPd.Core.States;

/// <summary>
/// The control plane of one gateway in a cluster as state and transitions: a fleet composed of the workers' reports, and
/// admission on credits that the workers' writers grant. No request waits for another machine.
/// </summary>
public sealed partial class GatewayState : AdmissionState
{
    private readonly GatewayLimits _limits;
    private readonly TrackedFleet _fleet;
    private readonly AffinityUpdates _updates;
    private readonly string _gateway;
    private DateTimeOffset _lastTick;

    /// <param name="options">The operator's settings.</param>
    /// <param name="limits">When the gateway stops using its credits.</param>
    /// <param name="gateway">Names this run of this gateway.</param>
    /// <param name="mint">Mints the rooms; no other gateway has its prefix.</param>
    /// <param name="seed">Of the random choices.</param>
    /// <exception cref="ArgumentException">A policy's name is wrong.</exception>
    public GatewayState(ControlPlaneOptions options, GatewayLimits limits, string gateway, RoomMint mint, int seed)
        : this(options ?? throw new ArgumentNullException(nameof(options)), limits, gateway, mint, seed,
            new TrackedFleet(options.PdFallback || options.PdMinUncachedTokens > 0), new AffinityUpdates())
    {
    }

    private GatewayState(
        ControlPlaneOptions options, GatewayLimits limits, string gateway, RoomMint mint, int seed, TrackedFleet fleet,
        AffinityUpdates updates)
        : base(options, fleet, mint, seed, updates)
    {
        ArgumentNullException.ThrowIfNull(limits);
        (_limits, _gateway, _fleet, _updates) = (limits, gateway, fleet, updates);
    }

    /// <summary>Workers whose writers get reports of this gateway, including workers that are gone and not idle yet.</summary>
    public IReadOnlyList<(WorkerId Id, long Registration)> Tracked => [.. _fleet.All.Select(w => (w.Id, w.Report.Registration))];

    /// <summary>Applies the newest reports of all workers; a worker without a report is gone.</summary>
    /// <returns>False when nothing has changed.</returns>
    public bool Apply(ImmutableArray<WorkerReport> reports, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Apply(reports) is not { } news)
            return false;
        foreach (var slot in news)
            Admission.Reset(slot);
        Publish(_fleet.Snapshot, now);
        foreach (var worker in _fleet.Workers.Where(w => w.Report.Snapshot.Facts != WorkerFacts.Unknown))
            Resize(worker);
        FreeIdleSlots();
        Admission.Pump(now, timestamp);
        return true;
    }

    /// <summary>Affinity entries that the policies have added since the last call, for the other gateways; null = none.</summary>
    /// <param name="all">From now on publish entries that are not new, too: a gateway has joined that has none.</param>
    public AffinityUpdate? TakeUpdates(bool all)
    {
        _updates.PublishesAll = all;
        return _updates.Take(slot => _fleet.At(slot)?.Id);
    }

    /// <summary>Applies the affinity entries of another gateway.</summary>
    /// <returns>Number of keys whose ranks are known here.</returns>
    public int Learn(AffinityUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        var keys = 0;
        AffinityUpdates.Read(update, (worker, side, rank, found) =>
        {
            if (_fleet.SlotOf(worker) is >= 0 and var slot && Admission.Learn(side, slot, rank, found))
                keys += found.Length;
        });
        return keys;
    }

    public override AcquireAnswer Acquire(in PairRequest request, DateTimeOffset now, long timestamp)
    {
        if (now - _lastTick > _limits.Frozen)
            SuspendCredits();
        return base.Acquire(request, now, timestamp);
    }

    /// <summary>To be called several times a second: a gap between two calls means that the process did not run.</summary>
    public void Tick(DateTimeOffset now, long timestamp)
    {
        if (_lastTick != default && now - _lastTick > _limits.Frozen)
            SuspendCredits();
        _lastTick = now;
        foreach (var worker in _fleet.All.Where(w => now >= w.ValidUntil))
            SuspendCredits(worker);
        Admission.Rooms.Sweep(now);
        Admission.Pump(now, timestamp);
    }

    /// <summary>
    /// Registers a room that this gateway leased or knows. Null: the room is unknown here; its shard must be called.
    /// </summary>
    public RankRegistration? Register(long room, int rank, DateTimeOffset now) =>
        Admission.Rooms.Owner(room, now) is null ? null : Admission.Rooms.Register(room, rank, null, now);

    private protected override void LegReleased(
        WorkerSnapshot worker, bool halfOpen, LegOutcome outcome, DateTimeOffset now, long timestamp)
    {
        if (_fleet.At(worker.Slot) is { } followed && followed.Id == worker.Id)
        {
            followed.Ended(new(outcome, 1), worker.Epoch);
            followed.IsUrgent |= outcome == LegOutcome.Failed || followed.IsTight;
        }
        FreeIdleSlots();
    }

    private void Resize(TrackedWorker worker)
    {
        var ranks = Admission.Catalog.Ranks(worker.Report.Snapshot);
        if (ranks != worker.Ranks)
        {
            worker.Ranks = ranks;
            worker.IsUrgent = true;
        }
    }

    /// <summary>Stops using credits until the workers' grains have confirmed them.</summary>
    private void SuspendCredits()
    {
        foreach (var worker in _fleet.All)
            SuspendCredits(worker);
    }

    private void SuspendCredits(TrackedWorker worker)
    {
        for (var rank = 0; rank < worker.Ranks; rank++)
        {
            ref readonly var load = ref Admission.Catalog.Load(worker.Slot, rank);
            if (load.Capacity > 0)
            {
                Admission.Catalog.SetCredits(worker.Slot, rank, 0, load.MaxItems, load.Others, load.OthersTokens);
                worker.IsUrgent = true;
            }
        }
    }

    private void FreeIdleSlots()
    {
        if (!_fleet.AnyGone)
            return;
        foreach (var gone in _fleet.All.Where(w => w.IsGone && Admission.Catalog.InFlight(w.Slot) == 0).ToArray())
        {
            for (var rank = 0; rank < gone.Ranks; rank++)
                Admission.Catalog.SetCredits(gone.Slot, rank, 0, 0, 0, 0);
            _fleet.Forget(gone.Slot);
        }
    }
}
