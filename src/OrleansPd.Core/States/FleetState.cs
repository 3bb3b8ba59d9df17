using System.Collections.Immutable;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// The workers of a fleet, their breakers, and the snapshot that tells of them. One writer; the snapshot may be read by all.
/// </summary>
internal sealed class FleetState(ControlPlaneOptions options) : IAdmissionFleet
{
    private readonly ProbeLimits _life = options.ProbeLimits;
    private readonly Dictionary<WorkerId, int> _slots = [];
    private readonly List<WorkerId> _order = [];
    private WorkerState?[] _workers = new WorkerState?[16];
    private Breaker[] _breakers = new Breaker[16];
    // What the snapshot shows of each slot, and what it was made of: a change of one worker leaves the others' as they are.
    private (WorkerSnapshot? Shown, WorkerState? Of, bool IsOpen, string Group)[] _shown = new (
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
        {
            _ = SetBreaker(slot, next);
        }
        return granted;
    }

    /// <summary>A registered worker as the snapshot shows it; null when the slot is nobody's.</summary>
    public WorkerSnapshot? Shown(int slot) => (uint)slot < (uint)_shown.Length ? _shown[slot].Shown : null;

    public WorkerState? At(int slot) => (uint)slot < (uint)_workers.Length ? _workers[slot] : null;

    public ref readonly Breaker BreakerAt(int slot) => ref _breakers[slot];

    /// <summary>
    /// Whether a worker that is to be tried can be: not held back, and under the address that decode engines will know.
    /// </summary>
    public bool MayTry(int slot, DateTimeOffset now) => At(slot) is { } worker && now >= worker.HoldUntil
        && (!options.BootstrapFacade || worker.Spec.Role != WorkerRole.Prefill || worker.Facade is not null);

    /// <summary>Null when a worker of that name is registered already.</summary>
    public WorkerState? Register(WorkerSpec spec, DateTimeOffset now)
    {
        var id = spec.Id ?? WorkerAddress.IdOf(spec.Url);
        if (_slots.ContainsKey(id))
        {
            return null;
        }
        var slot = Array.IndexOf(_workers, null);
        if (slot < 0)
        {
            slot = _workers.Length;
            Array.Resize(ref _workers, slot * 2);
            Array.Resize(ref _breakers, slot * 2);
            Array.Resize(ref _shown, slot * 2);
        }
        var worker = new WorkerState { Id = id, Spec =
            spec, Slot = slot, Registration = ++_registrations, Since = now, Reason = "nothing has answered there yet" };
        _workers[slot] = worker;
        _breakers[slot] = default;
        _slots.Add(id, slot);
        _order.Add(id);
        Publish();
        return worker;
    }

    /// <summary>Goes on where another writer of this worker stopped, as far as it had told.</summary>
    public void Resume(int slot, WorkerReport last, DateTimeOffset now)
    {
        var shown = last.Shown;
        _workers[slot] = _workers[slot]! with
        {
            Spec = last.Spec,
            Epoch = shown.Epoch,
            Facts = shown.Facts,
            WasDescribed = shown.Facts != WorkerFacts.Unknown,
            Since = last.Since,
            SwitchTo = last.SwitchTo,
            Facade = shown is { FacadeHost: { } host, FacadePort: { } port } ? (host, port) : null,
            Stage = shown.Phase is WorkerPhase.Suspect or WorkerPhase.Broken ? WorkerPhase.Ready : shown.Phase,
            Reason = shown.Reason,
        };
        _breakers[slot] = shown.Phase == WorkerPhase.Broken ? Breaker.Opened(BreakerLimits, now) : default;
        Publish();
    }

    /// <summary>True when what the snapshot tells has changed.</summary>
    public bool Apply(int slot, WorkerInput input, DateTimeOffset now)
    {
        var old = _workers[slot]!;
        var next = old.Apply(input, _life, now);
        if (next == old)
        {
            return false;
        }
        _workers[slot] = next;
        if (next.Epoch != old.Epoch)
        {
            _breakers[slot] = default; // what its former life did is not charged to the new one
        }
        if (next.Stage == WorkerPhase.Gone)
        {
            // Its name is free for a new registration; its slot only when nothing is in flight there any more.
            _slots.Remove(next.Id);
            _order.Remove(next.Id);
            Publish();
            return true;
        }
        return PublishIfChanged(slot);
    }

    /// <summary>True when what the snapshot tells has changed.</summary>
    public bool SetBreaker(int slot, Breaker next)
    {
        var changed = _breakers[slot].IsOpen != next.IsOpen;
        _breakers[slot] = next;
        return changed && PublishIfChanged(slot);
    }

    /// <summary>Slots of all registrations of that name: the present one and gone ones with something in flight.</summary>
    public IEnumerable<int> SlotsOf(WorkerId id) =>
        Enumerable.Range(0, _workers.Length).Where(slot => _workers[slot]?.Id == id);

    /// <summary>The registrations that are not gone, in their order.</summary>
    public IEnumerable<WorkerState> Registered => _order.Select(id => _workers[_slots[id]]!);

    /// <summary>Forgets a worker that is gone and idle; its slot may be given to another.</summary>
    public void Forget(int slot)
    {
        _workers[slot] = null;
        _shown[slot] = default;
    }

    private bool PublishIfChanged(int slot)
    {
        var worker = _workers[slot]!;
        if (worker.Stage == WorkerPhase.Gone)
        {
            return false;
        }
        var shown = _shown[slot].Shown;
        var changed = shown is null || shown.Phase != worker.Phase(_breakers[slot].IsOpen) || shown.Epoch != worker.Epoch
            || shown.Facts != worker.Facts || shown.FacadePort != worker.Facade?.Port
            || shown.Reason != ReasonOf(worker) || shown.Role != worker.Spec.Role
            || shown.Priority != worker.Spec.Priority || shown.ApiKey != worker.Spec.ApiKey
            || shown.Labels != (worker.Spec.Labels ?? ImmutableDictionary<string, string>.Empty);
        if (changed)
        {
            Publish();
        }
        return changed;
    }

    private string? ReasonOf(WorkerState worker) =>
        worker.Phase(_breakers[worker.Slot].IsOpen) == WorkerPhase.Broken ? "its breaker is open" : worker.Reason;

    private void Publish()
    {
        var workers = _order.Select(id => _workers[_slots[id]]!).ToArray();
        var groups = TransferGroups.Assign([.. workers.Select(w => (w.Spec.Role, ModelOf(w), w.Facts))]);
        Snapshot = new FleetSnapshot(
            Snapshot.Version + 1, [.. workers.Select((w, i) => Shown(w, groups[i]))], options.PdFallback
                || options.PdMinUncachedTokens > 0);
    }

    private static string? ModelOf(WorkerState worker) =>
        worker.Spec.Model ?? worker.Facts.ServedModelName ?? worker.Facts.ModelPath;

    private WorkerSnapshot Shown(WorkerState worker, string group)
    {
        ref var known = ref _shown[worker.Slot];
        var open = _breakers[worker.Slot].IsOpen;
        if (known.Shown is null || !ReferenceEquals(known.Of, worker) || known.IsOpen != open || known.Group != group)
        {
            known = (Show(worker, group), worker, open, group);
        }
        return known.Shown;
    }

    private WorkerSnapshot Show(WorkerState worker, string group) => new()
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
