namespace OrleansPd.Core.States;

/// <summary>The worker's readiness checks. One check of a worker runs at a time in the whole cluster.</summary>
public sealed partial class WorkerWriterState
{
    private bool _checking;
    private int _attempts;

    /// <summary>A readiness check that is due; null when none is, or there is no partner for it.</summary>
    /// <param name="fleet">The newest known fleet.</param>
    /// <param name="mint">Mints the room.</param>
    public ReadinessCheck? BeginReadinessCheck(FleetSnapshot fleet, RoomMint mint, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(mint);
        if (_checking || !ReadinessRule.IsDue(_fleet, _slot, Report.Snapshot.Phase, now))
            return null;
        var worker = Report.Snapshot with { TransferGroup = "" };
        WorkerSnapshot? partner = null;
        if (worker.Role != WorkerRole.Regular)
        {
            if (fleet.Workers.FirstOrDefault(w => w.Id == Id) is not { } self)
                return null;
            worker = worker with { TransferGroup = self.TransferGroup };
            partner = ReadinessRule.Partner(worker, fleet, _attempts, _ => true);
            if (partner is null)
            {
                // The transfer groups of the snapshot belong to its facts, which may be older than the grain's.
                if (self.Facts == worker.Facts
                    && ReadinessRule.Mismatch(worker, fleet, o => o.Facts != WorkerFacts.Unknown) is { } reason)
                {
                    _ = _fleet.Apply(_slot, new WorkerInput.ReadinessFailed(reason), now);
                    Publish();
                }
                return null;
            }
        }
        if (worker.Phase == WorkerPhase.Broken)
            _ = _fleet.TryHalfOpen(_slot, take: true, now);
        _checking = true;
        _attempts++;
        return ReadinessRule.Check(worker, partner, mint, _options.DpRanks);
    }

    /// <param name="good">Null: it was cancelled: no outcome.</param>
    /// <param name="reason">Why it was not good.</param>
    public void EndReadinessCheck(ReadinessCheck check, bool? good, string? reason, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(check);
        _checking = false;
        _attempts = good == true ? 0 : _attempts;
        ReadinessRule.Apply(_fleet, _slot, check.Prefill?.Id == Id ? check.Prefill : check.Decode, good, reason, now);
        if (InFlight == 0)
            _idleSince = now;
        EndDrain(now);
        Publish();
    }
}
