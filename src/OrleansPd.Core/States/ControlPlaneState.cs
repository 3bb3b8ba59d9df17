namespace OrleansPd.Core.States;

/// <summary>
/// The control plane of one process as state and transitions: the fleet with its breakers and readiness checks, and admission.
/// </summary>
public sealed partial class ControlPlaneState : AdmissionState
{
    private static readonly WorkerInput LegFailed = new WorkerInput.LegFailed("a request has just failed there");

    private readonly FleetState _fleet;
    private readonly ReadinessChecks _checks;
    // By slot; 0 = no worker has been published there.
    private long[] _epochs = [];

    /// <param name="options">The operator's settings.</param>
    /// <param name="mint">Mints the rooms; no other state shares it.</param>
    /// <param name="seed">Of the random choices.</param>
    /// <exception cref="ArgumentException">A policy's name is wrong.</exception>
    public ControlPlaneState(ControlPlaneOptions options, RoomMint mint, int seed)
        : this(options ?? throw new ArgumentNullException(nameof(options)), new FleetState(options), mint, seed)
    {
    }

    private ControlPlaneState(ControlPlaneOptions options, FleetState fleet, RoomMint mint, int seed)
        : base(options, fleet, mint, seed)
    {
        _fleet = fleet;
        _checks = new ReadinessChecks(_fleet, mint, options.DpRanks);
        _retired = new RetiredWorkers(TimeSpan.FromSeconds(options.GoneWorkerSecs));
    }

    /// <summary>Null when there is no worker of that name.</summary>
    public WorkerState? Find(WorkerId id) => _fleet.Find(id);

    /// <summary>The published phase of a worker; <see cref="WorkerPhase.Gone"/> when there is none of that name.</summary>
    public WorkerPhase PhaseOf(WorkerId id) =>
        _fleet.SlotOf(id) is >= 0 and var slot ? _fleet.SnapshotOf(slot)!.Phase : WorkerPhase.Gone;

    public int InFlight(WorkerId id) => _fleet.Find(id) is { } worker ? Admission.Catalog.InFlight(worker.Slot) : 0;

    /// <returns>Null when a worker with that name is registered already.</returns>
    public WorkerState? Register(WorkerSpec spec, DateTimeOffset now)
    {
        var worker = _fleet.Register(spec, now);
        if (worker is not null)
        {
            Admission.Reset(worker.Slot); // the slot may have been another's
            _loads.Remove(worker.Slot);
            _retired.Forget(worker.Id);
            PublishFleet(now);
        }
        return worker;
    }

    /// <returns>The worker afterwards; null when there is none of that name.</returns>
    public WorkerState? Apply(WorkerId id, WorkerInput input, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not { } worker)
            return null;
        if (input is WorkerInput.Drain or WorkerInput.Remove or WorkerInput.Switch)
        {
            StartLeaving(id, input, now, timestamp);
            return _fleet.Find(id);
        }
        _ = _fleet.Apply(worker.Slot, input, now);
        PublishIfChanged(now, timestamp);
        return _fleet.At(worker.Slot);
    }

    /// <summary>To be called about once a second: finds workers that make no progress, and serves waiting requests.</summary>
    /// <param name="frequency">Timestamp units a second.</param>
    public void Tick(DateTimeOffset now, long timestamp, long frequency)
    {
        Admission.Rooms.Sweep(now);
        var ages = Stalls.Ages(Admission.Leases, _fleet, timestamp);
        _retired.Sweep(now);
        foreach (var worker in _fleet.Snapshot.Workers)
        {
            Admission.Catalog.Fade(worker, now);
            _fleet.ApplyStall(worker.Slot, worker.Slot < ages.Length ? ages[worker.Slot] / frequency : 0, now);
        }
        PublishIfChanged(now, timestamp);
        Admission.Pump(now, timestamp); // the load of other clients may have faded
    }

    /// <summary>A readiness check of the worker that is due; null when none is, or there is no partner for it.</summary>
    public ReadinessCheck? BeginReadinessCheck(WorkerId id, DateTimeOffset now) => _checks.Begin(id, now);

    /// <param name="good">Null: it was cancelled: no outcome.</param>
    /// <param name="reason">Why it was not good.</param>
    public void EndReadinessCheck(ReadinessCheck check, bool? good, string? reason, DateTimeOffset now, long timestamp)
    {
        _checks.End(check, good, reason, now);
        foreach (var worker in (ReadOnlySpan<WorkerSnapshot?>)[check.Prefill, check.Decode])
        {
            if (worker is not null)
            {
                if (good == true)
                {
                    Stalls.Moved(worker.Slot, timestamp); // the worker works
                }
                FreeSlotIfGone(worker.Slot);
                LoadDropped(worker.Slot, now);
            }
        }
        PublishIfChanged(now, timestamp);
    }

    /// <param name="rank">The rank that owns it.</param>
    /// <param name="prefill">The worker of that rank; null = the registration did not come through a prefill's own
    /// address.</param>
    public RankRegistration RegisterRank(long room, int rank, WorkerSnapshot? prefill, DateTimeOffset now) =>
        Admission.Rooms.Register(room, rank, prefill, now);

    /// <returns>-1 where unknown.</returns>
    public int QueryRank(long room, DateTimeOffset now) => OwnerOf(room, now)?.Rank ?? -1;

    private protected override void LegReleased(
        WorkerSnapshot worker, bool halfOpen, LegOutcome outcome, DateTimeOffset now, long timestamp)
    {
        // Only the epoch that served the leg is charged for it.
        if (_fleet.IsPresent(worker))
        {
            Charge(worker.Slot, halfOpen, outcome, now);
            if (outcome == LegOutcome.Failed)
            {
                // A worker that fails at once is always the least loaded: without this it would get every request until the next
                // probe.
                _ = _fleet.Apply(worker.Slot, LegFailed, now);
            }
        }
        FreeSlotIfGone(worker.Slot);
        LoadDropped(worker.Slot, now);
        PublishIfChanged(now, timestamp);
    }

    private void FreeSlotIfGone(int slot)
    {
        if (_fleet.At(slot) is { Stage: WorkerPhase.Gone } && OnSlot(slot) == 0)
            _fleet.FreeSlot(slot);
    }

    private void Charge(int slot, bool halfOpen, LegOutcome outcome, DateTimeOffset now)
    {
        var breaker = _fleet.BreakerAt(slot);
        var next = (halfOpen, outcome) switch
        {
            (true, LegOutcome.Succeeded) => breaker.HalfOpenEnded(_fleet.BreakerLimits, true, now),
            (true, LegOutcome.Failed) => breaker.HalfOpenEnded(_fleet.BreakerLimits, false, now),
            (true, _) => breaker.HalfOpenEnded(_fleet.BreakerLimits, null, now),
            (false, LegOutcome.Succeeded) => breaker.Succeeded(_fleet.BreakerLimits, now),
            (false, LegOutcome.Failed) => breaker.Failed(_fleet.BreakerLimits, now),
            _ => breaker,
        };
        _ = _fleet.SetBreaker(slot, next);
    }

    private void PublishIfChanged(DateTimeOffset now, long timestamp)
    {
        if (!ReferenceEquals(Fleet, _fleet.Snapshot))
        {
            PublishFleet(now);
            Admission.Pump(now, timestamp);
        }
    }

    private void PublishFleet(DateTimeOffset now)
    {
        var fleet = _fleet.Snapshot;
        foreach (var worker in fleet.Workers)
        {
            if (worker.Slot >= _epochs.Length)
                Array.Resize(ref _epochs, Math.Max(16, worker.Slot * 2));
            ref var epoch = ref _epochs[worker.Slot];
            if (epoch != 0 && epoch != worker.Epoch)
            {
                Admission.Reset(worker.Slot); // a new process has empty caches and knows no room of the old one
            }
            epoch = worker.Epoch;
        }
        Publish(fleet, now);
    }
}
