using OrleansPd.Core.Admission;
using OrleansPd.Core.Policies;

namespace OrleansPd.Core.States;

/// <summary>
/// Admission, leases and rooms of one process, whatever its fleet is made of. It waits for nothing, starts nothing and reads no
/// clock. It has one writer: its host calls it under one lock, and reads <see cref="Fleet"/> from any thread. Transitions return
/// what to do; requests whose wait ended are fetched with <see cref="TakeGranted"/> after each call.
/// </summary>
public abstract class AdmissionState
{
    private readonly IAdmissionFleet _workers;
    private FleetSnapshot _published = FleetSnapshot.Empty;

    private protected AdmissionState(
        ControlPlaneOptions options, IAdmissionFleet fleet, RoomMint mint, int seed, AffinityUpdates? updates = null)
    {
        Options = options;
        _workers = fleet;
        Admission = new PairAdmission(options, fleet, new RoomBook(options, mint), new Random(seed), updates);
    }

    /// <summary>The newest snapshot; safe to read from any thread.</summary>
    public FleetSnapshot Fleet => Volatile.Read(ref _published);

    /// <summary>True when a policy reads <see cref="PairRequest.PrefixBlocks"/>.</summary>
    public bool NeedsPrefix => Admission.NeedsPrefix;

    /// <summary>Leases of which a leg still runs.</summary>
    public int Live => Admission.Live;

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => Admission.Waiting;

    /// <summary>What the room table holds and has done.</summary>
    public RoomStats Rooms => Admission.Rooms.Stats;

    internal PairAdmission Admission { get; }
    private protected ControlPlaneOptions Options { get; }
    private protected StallScan Stalls { get; } = new();

    public virtual AcquireAnswer Acquire(in PairRequest request, DateTimeOffset now, long timestamp) =>
        Admission.Acquire(request, now, timestamp);

    /// <summary>Ends the wait of a request whose caller left. False: it has its outcome already.</summary>
    public bool Abandon(WaitingRequest waiting, DateTimeOffset now, long timestamp) => Admission.Abandon(waiting, now, timestamp);

    /// <summary>Ends a wait that was too long, with a refusal as its outcome. False: it has its outcome already.</summary>
    public bool TimedOut(WaitingRequest waiting, DateTimeOffset now, long timestamp) =>
        Admission.TimedOut(waiting, now, timestamp);

    /// <summary>Moves the requests whose wait ended with an outcome to the caller's list.</summary>
    public void TakeGranted(List<WaitingRequest> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        Admission.TakeGranted(into);
    }

    /// <returns>False when that leg had been reported before, or the lease is not of this state.</returns>
    public bool LegEnded(PairLease lease, LegSide side, LegOutcome outcome, DateTimeOffset now, long timestamp)
    {
        if (lease is not HeldLease held || !Admission.Release(held, side, now, timestamp))
            return false;
        var worker = side == LegSide.Prefill ? held.Prefill! : held.Decode;
        if (outcome == LegOutcome.Succeeded)
            Stalls.Moved(worker.Slot, timestamp);
        LegReleased(worker, side == LegSide.Prefill ? held.PrefillHalfOpen : held.DecodeHalfOpen, outcome, now, timestamp);
        return true;
    }

    /// <summary>The caches of a worker's engine are empty.</summary>
    public void CachesFlushed(WorkerId id)
    {
        if (_workers.SlotOf(id) is >= 0 and var slot)
            Admission.CachesFlushed(slot);
    }

    /// <returns>Null where unknown.</returns>
    public RoomOwner? OwnerOf(long room, DateTimeOffset now) => Admission.Rooms.Owner(room, now);

    /// <summary>Refuses all requests that wait and all new ones; leases in flight go on.</summary>
    public void Stop() => Admission.Stop();

    /// <summary>A leg has ended and its capacity is free.</summary>
    /// <param name="worker">The worker that served the leg.</param>
    /// <param name="halfOpen">The leg was the half-open request of an open breaker.</param>
    /// <param name="outcome">How the leg ended.</param>
    private protected abstract void LegReleased(
        WorkerSnapshot worker, bool halfOpen, LegOutcome outcome, DateTimeOffset now, long timestamp);

    private protected void Publish(FleetSnapshot fleet, DateTimeOffset now)
    {
        Admission.Update(fleet, now);
        Volatile.Write(ref _published, fleet);
    }
}
