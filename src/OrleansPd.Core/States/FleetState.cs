namespace OrleansPd.Core.States;

/// <summary>
/// The workers of a fleet, their breakers, and the snapshot of both. One writer; any thread may read the snapshot.
/// </summary>
internal sealed class FleetState(ControlPlaneOptions options) : IAdmissionFleet
{
    private readonly ProbeLimits _probeLimits = options.ProbeLimits;
    private readonly Dictionary<WorkerId, int> _slots = [];
    private readonly List<WorkerId> _order = [];
    private WorkerState?[] _workers = new WorkerState?[16];
    private Breaker[] _breakers = new Breaker[16];
    // The snapshot of each slot and what it was made of, so that a change of one worker makes one new worker snapshot.
    private (WorkerSnapshot? Snapshot, WorkerState? Of, bool IsOpen, string Group)[] _snapshots = new (
        WorkerSnapshot?, WorkerState?, bool, string)[16];
    private long _registrations;

    public BreakerLimits BreakerLimits { get; } = options.BreakerLimits;
    public FleetSnapshot Snapshot { get; private set; } = FleetSnapshot.Empty;

    public WorkerState? Find(WorkerId id) => _slots.TryGetValue(id, out var slot) ? _workers[slot] : null;

    public int SlotOf(WorkerId id) => Find(id)?.Slot ?? -1;

    public bool IsPresent(WorkerSnapshot worker) =>
        At(worker.Slot) is { } state && state.Id == worker.Id && state.Epoch == worker.Epoch;

    public bool TryHalfOpen(int slot, bool take, DateTimeOffset now)
    {
        var granted = BreakerAt(slot).TryHalfOpen(BreakerLimits, now, out var next);
        if (granted && take)
            _ = SetBreaker(slot, next);
        return granted;
    }

    /// <summary>The newest snapshot of a registered worker; null when the slot is free.</summary>
    public WorkerSnapshot? SnapshotOf(int slot) => (uint)slot < (uint)_snapshots.Length ? _snapshots[slot].Snapshot : null;

    public WorkerState? At(int slot) => (uint)slot < (uint)_workers.Length ? _workers[slot] : null;

    public ref readonly Breaker BreakerAt(int slot) => ref _breakers[slot];

    /// <summary>
    /// Whether a readiness check may start: the worker is not held back and has the address that decode engines will use.
    /// </summary>
    public bool MayTry(int slot, DateTimeOffset now) => At(slot) is { } worker && now >= worker.HoldUntil
        && (!options.BootstrapFacade || worker.Spec.Role != WorkerRole.Prefill || worker.Facade is not null);

    /// <summary>Null when a worker with that name is registered already.</summary>
    public WorkerState? Register(WorkerSpec spec, DateTimeOffset now)
    {
        var id = spec.Id ?? WorkerAddress.IdOf(spec.Url);
        if (_slots.ContainsKey(id))
            return null;
        var slot = Array.IndexOf(_workers, null);
        if (slot < 0)
        {
            slot = _workers.Length;
            Array.Resize(ref _workers, slot * 2);
            Array.Resize(ref _breakers, slot * 2);
            Array.Resize(ref _snapshots, slot * 2);
        }
        var worker = new WorkerState
        {
            Id = id,
            Spec = spec,
            Slot = slot,
            Registration = ++_registrations,
            Since = now,
            Reason = "nothing has answered there yet"
        };
        _workers[slot] = worker;
        _breakers[slot] = default;
        _slots.Add(id, slot);
        _order.Add(id);
        Publish();
        return worker;
    }

    /// <summary>Resumes from the last report of a former activation of the worker's grain.</summary>
    public void Resume(int slot, WorkerReport last, DateTimeOffset now)
    {
        var worker = last.Snapshot;
        _workers[slot] = _workers[slot]! with
        {
            Spec = last.Spec,
            Epoch = worker.Epoch,
            Facts = worker.Facts,
            WasDescribed = worker.Facts != WorkerFacts.Unknown,
            Since = last.Since,
            SwitchTo = last.SwitchTo,
            Facade = worker is { FacadeHost: { } host, FacadePort: { } port } ? (host, port) : null,
            Stage = worker.Phase is WorkerPhase.Suspect or WorkerPhase.Broken ? WorkerPhase.Ready : worker.Phase,
            Reason = worker.Reason,
        };
        _breakers[slot] = worker.Phase == WorkerPhase.Broken ? Breaker.Opened(BreakerLimits, now) : default;
        Publish();
    }

    /// <summary>True when the snapshot has changed.</summary>
    public bool Apply(int slot, WorkerInput input, DateTimeOffset now)
    {
        var old = _workers[slot]!;
        var next = old.Apply(input, _probeLimits, now);
        if (next == old)
            return false;
        _workers[slot] = next;
        if (next.Epoch != old.Epoch)
        {
            _breakers[slot] = default; // a new epoch is not charged for the failures of the former one
        }
        if (next.Stage == WorkerPhase.Gone)
        {
            // Its name is free for a new registration at once, its slot when nothing is in flight there any more.
            _slots.Remove(next.Id);
            _order.Remove(next.Id);
            Publish();
            return true;
        }
        return PublishIfChanged(slot);
    }

    /// <summary>True when the snapshot has changed.</summary>
    public bool SetBreaker(int slot, Breaker next)
    {
        var changed = _breakers[slot].IsOpen != next.IsOpen;
        _breakers[slot] = next;
        return changed && PublishIfChanged(slot);
    }

    /// <summary>Applies the time for which no request in flight on the worker has made progress.</summary>
    public void ApplyStall(int slot, long seconds, DateTimeOffset now)
    {
        var stall = seconds < options.StallSuspectSecs ? WorkerInput.Stall.None
            : new WorkerInput.Stall($"nothing in flight has moved for {seconds / 10 * 10} s");
        _ = Apply(slot, stall, now);
        if (seconds >= options.StallBrokenSecs && SnapshotOf(slot)?.IsPairable == true && !BreakerAt(slot).IsOpen)
            _ = SetBreaker(slot, Breaker.Opened(BreakerLimits, now));
    }

    /// <summary>Slots of all registrations with that name: the current one, and gone ones with requests in flight.</summary>
    public IEnumerable<int> SlotsOf(WorkerId id) => Enumerable.Range(0, _workers.Length).Where(slot => _workers[slot]?.Id == id);

    /// <summary>The registrations that are not gone, in order.</summary>
    public IEnumerable<WorkerState> Registered => _order.Select(id => _workers[_slots[id]]!);

    /// <summary>Removes a worker that is gone and idle; its slot may be used for another.</summary>
    public void FreeSlot(int slot)
    {
        _workers[slot] = null;
        _snapshots[slot] = default;
    }

    private bool PublishIfChanged(int slot)
    {
        var worker = _workers[slot]!;
        if (worker.Stage == WorkerPhase.Gone)
            return false;
        var old = _snapshots[slot].Snapshot;
        var changed = old is null || old.Phase != worker.Phase(_breakers[slot].IsOpen) || old.Epoch != worker.Epoch
            || old.Facts != worker.Facts || old.FacadePort != worker.Facade?.Port
            || old.Reason != ReasonOf(worker) || old.Role != worker.Spec.Role
            || old.Priority != worker.Spec.Priority || old.ApiKey != worker.Spec.ApiKey
            || old.Labels != (worker.Spec.Labels ?? ImmutableDictionary<string, string>.Empty);
        if (changed)
            Publish();
        return changed;
    }

    private string? ReasonOf(WorkerState worker) =>
        worker.Phase(_breakers[worker.Slot].IsOpen) == WorkerPhase.Broken ? "its breaker is open" : worker.Reason;

    private void Publish()
    {
        var workers = _order.Select(id => _workers[_slots[id]]!).ToArray();
        var groups = TransferGroups.Assign([.. workers.Select(w => (w.Spec.Role, ModelOf(w), w.Facts))]);
        Snapshot = new FleetSnapshot(
            Snapshot.Version + 1, [.. workers.Select((w, i) => Compose(w, groups[i]))], options.PdFallback
                || options.PdMinUncachedTokens > 0);
    }

    private static string? ModelOf(WorkerState worker) =>
        worker.Spec.Model ?? worker.Facts.ServedModelName ?? worker.Facts.ModelPath;

    private WorkerSnapshot Compose(WorkerState worker, string group)
    {
        ref var known = ref _snapshots[worker.Slot];
        var open = _breakers[worker.Slot].IsOpen;
        if (known.Snapshot is null || !ReferenceEquals(known.Of, worker) || known.IsOpen != open || known.Group != group)
            known = (Create(worker, group), worker, open, group);
        return known.Snapshot;
    }

    private WorkerSnapshot Create(WorkerState worker, string group) => new()
    {
        Id = worker.Id,
        Url = WorkerAddress.Canonical(worker.Spec.Url),
        Role = worker.Spec.Role,
        Phase = worker.Phase(_breakers[worker.Slot].IsOpen),
        Epoch = worker.Epoch,
        Slot = worker.Slot,
        Facts = worker.Facts,
        Model = ModelOf(worker),
        BootstrapHost = worker.Spec.Role == WorkerRole.Prefill ? WorkerAddress.Host(worker.Spec.Url) : null,
        BootstrapPort = worker.Spec.Role == WorkerRole.Prefill ? worker.Spec.BootstrapPort ?? worker.Facts.BootstrapPort : null,
        FacadeHost = worker.Facade?.Host,
        FacadePort = worker.Facade?.Port,
        TransferGroup = group,
        Priority = worker.Spec.Priority,
        Labels = worker.Spec.Labels ?? ImmutableDictionary<string, string>.Empty,
        ApiKey = worker.Spec.ApiKey,
        Reason = ReasonOf(worker),
    };
}
