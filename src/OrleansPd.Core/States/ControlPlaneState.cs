using OrleansPd.Core.Admin;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// The control plane of one process as state and transitions: the fleet, admission, rooms. It waits for nothing, starts nothing
/// and knows no time. It has one writer: its host calls it under one lock, and reads <see cref="Fleet"/> anywhere.
/// Transitions return what to do; requests whose wait ended are fetched with <see cref="TakeGranted"/> after each call.
/// </summary>
public sealed partial class ControlPlaneState
{
    private static readonly WorkerInput Doubt = new WorkerInput.Doubt("a request has just failed there");

    private readonly ControlPlaneOptions _options;
    private readonly FleetState _fleet;
    private readonly PairAdmission _admission;
    private readonly ReadinessChecks _trials;
    private readonly RoomTable _rooms;
    private readonly StallScan _stalls = new();
    private FleetSnapshot _shown = FleetSnapshot.Empty;
    // By slot; 0 = nobody was shown there.
    private long[] _epochs = [];

    /// <param name="options">What the operator wants.</param>
    /// <param name="mint">Makes the rooms; no other state shares it.</param>
    /// <param name="seed">Of the choices that are left to chance.</param>
    /// <exception cref="ArgumentException">A policy's name is wrong.</exception>
    public ControlPlaneState(ControlPlaneOptions options, RoomMint mint, int seed)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _fleet = new FleetState(options);
        _admission = new PairAdmission(options, _fleet, mint, new Random(seed));
        _trials = new ReadinessChecks(_fleet, mint, options.DpRanks);
        _retired = new RetiredWorkers(TimeSpan.FromSeconds(options.GoneWorkerSecs));
        _rooms = new RoomTable(TimeSpan.FromSeconds(options.RoomTtlSecs), options.MaxRooms);
    }

    /// <summary>The newest snapshot; safe to read from any thread.</summary>
    public FleetSnapshot Fleet => Volatile.Read(ref _shown);

    /// <summary>True when a policy reads <see cref="PairRequest.PrefixBlocks"/>.</summary>
    public bool NeedsPrefix => _admission.NeedsPrefix;

    /// <summary>Leases of which a leg still runs.</summary>
    public int Live => _admission.Live;

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => _admission.Waiting;

    /// <summary>What the room table holds and has done.</summary>
    public RoomStats Rooms => _rooms.Stats;

    internal PairAdmission Desk => _admission;

    /// <summary>Null when there is no worker of that name.</summary>
    public WorkerState? Find(WorkerId id) => _fleet.Find(id);

    /// <summary>What gateways see of a worker; <see cref="WorkerPhase.Gone"/> when there is none of that name.</summary>
    public WorkerPhase PhaseOf(WorkerId id) =>
        _fleet.SlotOf(id) is >= 0 and var slot ? _fleet.Shown(slot)!.Phase : WorkerPhase.Gone;

    /// <summary>Items in flight on a worker.</summary>
    public int InFlight(WorkerId id) => _fleet.Find(id) is { } worker ? _admission.InFlight(worker.Slot) : 0;

    /// <returns>Null when a worker of that name is registered already.</returns>
    public WorkerState? Register(WorkerSpec spec, DateTimeOffset now)
    {
        var worker = _fleet.Register(spec, now);
        if (worker is not null)
        {
            _admission.Forget(worker.Slot); // the slot may have been another's
            _rooms.Forget(worker.Slot);
            _told.Remove(worker.Slot);
            _retired.Forget(worker.Id);
            Show(now);
        }
        return worker;
    }

    /// <returns>The worker afterwards; null when there is none of that name.</returns>
    public WorkerState? Apply(WorkerId id, WorkerInput input, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not { } worker)
        {
            return null;
        }
        if (input is WorkerInput.Drain or WorkerInput.Remove or WorkerInput.Switch)
        {
            Leave(id, input, now, timestamp);
            return _fleet.Find(id);
        }
        _ = _fleet.Apply(worker.Slot, input, now);
        Changed(now, timestamp);
        return _fleet.At(worker.Slot);
    }

    public AcquireAnswer Acquire(in PairRequest request, DateTimeOffset now, long timestamp)
    {
        var answer = _admission.Acquire(request, now, timestamp);
        if (answer.Grant?.Lease is { } lease)
        {
            _rooms.Open(lease, _options.DpRanks);
        }
        return answer;
    }

    /// <summary>Ends the wait of a request whose caller left. False: it has its outcome already.</summary>
    public bool Abandon(WaitingRequest waiting, DateTimeOffset now, long timestamp) =>
        _admission.Abandon(waiting, now, timestamp);

    /// <summary>Ends a wait that was too long, with a refusal as its outcome. False: it has its outcome already.</summary>
    public bool TimedOut(WaitingRequest waiting, DateTimeOffset now, long timestamp) =>
        _admission.TimedOut(waiting, now, timestamp);

    /// <summary>Moves the requests whose wait ended with an outcome to the caller's list.</summary>
    public void TakeGranted(List<WaitingRequest> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        var first = into.Count;
        _admission.TakeGranted(into);
        for (var i = first; i < into.Count; i++)
        {
            if (into[i].Grant?.Lease is { } lease)
            {
                _rooms.Open(lease, _options.DpRanks);
            }
        }
    }

    /// <returns>False when that leg had been reported before, or the lease is not of this state.</returns>
    public bool LegEnded(PairLease lease, LegSide side, LegOutcome outcome, DateTimeOffset now, long timestamp)
    {
        if (lease is not HeldLease held || !_admission.Release(held, side, now, timestamp))
        {
            return false;
        }
        if (held.Ended)
        {
            _rooms.Close(held);
        }
        var worker = side == LegSide.Prefill ? held.Prefill! : held.Decode;
        var trial = side == LegSide.Prefill ? held.PrefillHalfOpen : held.DecodeHalfOpen;
        if (outcome == LegOutcome.Succeeded)
        {
            _stalls.Moved(worker.Slot, timestamp);
        }
        // Only the life that served the leg is charged for it.
        if (_fleet.At(worker.Slot) is { } state && state.Id == worker.Id && state.Epoch == worker.Epoch)
        {
            Charge(worker.Slot, trial, outcome, now);
            if (outcome == LegOutcome.Failed)
            {
                // One that fails at once is always the least loaded: without this it would draw every request until it is probed.
                _ = _fleet.Apply(worker.Slot, Doubt, now);
            }
        }
        ForgetIfGone(worker.Slot);
        Lighter(worker.Slot, now);
        Changed(now, timestamp);
        return true;
    }

    /// <summary>To be called about once a second: finds workers that make no progress, and grants what can be granted.</summary>
    /// <param name="now">The time.</param>
    /// <param name="timestamp">The same as a timestamp.</param>
    /// <param name="frequency">Timestamp units a second.</param>
    public void Tick(DateTimeOffset now, long timestamp, long frequency)
    {
        _rooms.Sweep(now);
        var ages = _stalls.Ages(_admission.Leases, _fleet, timestamp);
        _retired.Sweep(now);
        foreach (var worker in _fleet.Snapshot.Workers)
        {
            _admission.Fade(worker, now);
            var age = worker.Slot < ages.Length ? ages[worker.Slot] / frequency : 0;
            var stall = age < _options.StallSuspectSecs ? WorkerInput.Stall.None
                : new WorkerInput.Stall($"nothing in flight has moved for {age / 10 * 10} s");
            _ = _fleet.Apply(worker.Slot, stall, now);
            if (age >= _options.StallBrokenSecs && worker.IsPairable && !_fleet.BreakerAt(worker.Slot).IsOpen)
            {
                _ = _fleet.SetBreaker(worker.Slot, Breaker.Opened(_fleet.BreakerLimits, now));
            }
        }
        Changed(now, timestamp);
        _admission.Pump(now, timestamp); // what others had may have faded
    }

    /// <summary>A generation of our own that is due for this worker; null when none is, or there is nobody to try with.</summary>
    public ReadinessCheck? BeginReadinessCheck(WorkerId id, DateTimeOffset now) => _trials.Begin(id, now);

    /// <param name="trial">The trial that ended.</param>
    /// <param name="good">Null: it was called off and says nothing.</param>
    /// <param name="reason">Why it was not good.</param>
    /// <param name="now">The time.</param>
    /// <param name="timestamp">The same as a timestamp.</param>
    public void EndReadinessCheck(ReadinessCheck trial, bool? good, string? reason, DateTimeOffset now, long timestamp)
    {
        _trials.End(trial, good, reason, now);
        foreach (var worker in (ReadOnlySpan<WorkerSnapshot?>)[trial.Prefill, trial.Decode])
        {
            if (worker is not null)
            {
                if (good == true)
                {
                    _stalls.Moved(worker.Slot, timestamp); // it works: what is stuck there is stuck for another reason
                }
                ForgetIfGone(worker.Slot);
                Lighter(worker.Slot, now);
            }
        }
        Changed(now, timestamp);
    }

    /// <summary>Refuses all that waits and all that comes; leases in flight live on.</summary>
    public void Stop() => _admission.Stop();

    /// <param name="room">The room.</param>
    /// <param name="rank">Who owns it.</param>
    /// <param name="prefill">Whose ranks these are; null when whoever registers did not come through a prefill's own
    /// address.</param>
    /// <param name="now">The time.</param>
    public RankRegistration RegisterRank(long room, int rank, WorkerSnapshot? prefill, DateTimeOffset now) =>
        _rooms.Register(room, rank, prefill, now);

    /// <returns>-1 where unknown.</returns>
    public int QueryRank(long room, DateTimeOffset now) => _rooms.Owner(room, now)?.Rank ?? -1;

    /// <returns>Null where unknown.</returns>
    public RoomOwner? OwnerOf(long room, DateTimeOffset now) => _rooms.Owner(room, now);

    private void ForgetIfGone(int slot)
    {
        if (_fleet.At(slot) is { Stage: WorkerPhase.Gone } && OnSlot(slot) == 0)
        {
            _fleet.Forget(slot);
        }
    }

    private void Charge(int slot, bool trial, LegOutcome outcome, DateTimeOffset now)
    {
        var breaker = _fleet.BreakerAt(slot);
        var next = (trial, outcome) switch
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

    private void Changed(DateTimeOffset now, long timestamp)
    {
        if (!ReferenceEquals(_shown, _fleet.Snapshot))
        {
            Show(now);
            _admission.Pump(now, timestamp);
        }
    }

    private void Show(DateTimeOffset now)
    {
        var fleet = _fleet.Snapshot;
        foreach (var worker in fleet.Workers)
        {
            if (worker.Slot >= _epochs.Length)
            {
                Array.Resize(ref _epochs, Math.Max(16, worker.Slot * 2));
            }
            ref var epoch = ref _epochs[worker.Slot];
            if (epoch != 0 && epoch != worker.Epoch)
            {
                _admission.Forget(worker.Slot); // a new process has an empty cache
                _rooms.Forget(worker.Slot); // and knows no room of the old one
            }
            epoch = worker.Epoch;
        }
        _admission.Take(fleet, now);
        Volatile.Write(ref _shown, fleet);
    }
}
