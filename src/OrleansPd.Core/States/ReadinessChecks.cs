namespace OrleansPd.Core.States;

/// <summary>
/// The readiness checks of all workers of one process. Two workers that are not ready may be checked together, one pair at a
/// time.
/// </summary>
internal sealed class ReadinessChecks(FleetState fleet, RoomMint mint, DpRankMode ranks)
{
    private readonly HashSet<int> _busy = [];
    private readonly Dictionary<int, int> _attempts = [];

    public bool IsBusy(int slot) => _busy.Contains(slot);

    /// <summary>Null: no check is due, or there is no partner for it now.</summary>
    public ReadinessCheck? Begin(WorkerId id, DateTimeOffset now)
    {
        if (fleet.Find(id) is not { } state || _busy.Contains(state.Slot)
            || (fleet.SnapshotOf(state.Slot)! is var worker && !ReadinessRule.IsDue(fleet, worker.Slot, worker.Phase, now)))
        {
            return null;
        }
        WorkerSnapshot? partner = null;
        if (worker.Role != WorkerRole.Regular)
        {
            partner = ReadinessRule.Partner(worker, fleet.Snapshot, _attempts.GetValueOrDefault(worker.Slot),
                other => !_busy.Contains(other.Slot) && fleet.MayTry(other.Slot, now));
            if (partner is null)
            {
                if (ReadinessRule.Mismatch(worker, fleet.Snapshot, o => fleet.At(o.Slot) is { WasDescribed: true }) is { } reason)
                    _ = fleet.Apply(worker.Slot, new WorkerInput.ReadinessFailed(reason), now);
                return null;
            }
        }
        if (worker.Phase == WorkerPhase.Broken)
            _ = fleet.TryHalfOpen(worker.Slot, take: true, now);
        _busy.Add(worker.Slot);
        if (partner?.Phase == WorkerPhase.Probing)
            _busy.Add(partner.Slot);
        _attempts[worker.Slot] = _attempts.GetValueOrDefault(worker.Slot) + 1;
        return ReadinessRule.Check(worker, partner, mint, ranks);
    }

    /// <param name="good">Null: it was cancelled: no outcome.</param>
    /// <param name="reason">Why it was not good.</param>
    public void End(ReadinessCheck check, bool? good, string? reason, DateTimeOffset now)
    {
        foreach (var worker in (ReadOnlySpan<WorkerSnapshot?>)[check.Decode, check.Prefill])
        {
            if (worker is null)
                continue;
            _ = _busy.Remove(worker.Slot);
            if (fleet.At(worker.Slot)?.Id == worker.Id)
            {
                if (good == true)
                    _ = _attempts.Remove(worker.Slot);
                ReadinessRule.Apply(fleet, worker.Slot, worker, good, reason, now);
            }
        }
    }
}
