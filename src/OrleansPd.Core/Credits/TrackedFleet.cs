namespace OrleansPd.Core.Credits;

/// <summary>
/// The fleet of a gateway, made of workers' reports. Each gateway assigns its own slots; all compute equal transfer groups,
/// because rule and order are the same.
/// </summary>
internal sealed class TrackedFleet(bool regularTakesOver) : IAdmissionFleet
{
    private readonly Dictionary<WorkerId, TrackedWorker> _byId = [];
    private readonly List<TrackedWorker?> _slots = [];

    public FleetSnapshot Snapshot { get; private set; } = FleetSnapshot.Empty;
    public IReadOnlyCollection<TrackedWorker> Workers => _byId.Values;

    /// <summary>All workers, including removed ones that are not idle yet.</summary>
    public IEnumerable<TrackedWorker> All => _slots.Where(s => s is not null)!;

    public TrackedWorker? Find(WorkerId id) => _byId.GetValueOrDefault(id);

    public TrackedWorker? At(int slot) => slot < _slots.Count ? _slots[slot] : null;

    public int SlotOf(WorkerId id) => Find(id)?.Slot ?? -1;

    public bool IsPresent(WorkerSnapshot worker) =>
        At(worker.Slot) is { } followed && followed.Id == worker.Id && followed.Report.Snapshot.Epoch == worker.Epoch;

    /// <summary>Never: half-open requests are granted by the worker's grain.</summary>
    public bool TryHalfOpen(int slot, bool take, DateTimeOffset now) => false;

    /// <summary>Whether removed workers are still tracked.</summary>
    public bool AnyGone { get; private set; }

    public void Forget(int slot)
    {
        _slots[slot] = null;
        AnyGone = _slots.Any(s => s is { IsGone: true });
    }

    /// <returns>Slots that now belong to another worker or another epoch; null = nothing changed.</returns>
    public List<int>? Apply(ImmutableArray<WorkerReport> reports)
    {
        var news = new List<int>();
        var changed = false;
        foreach (var report in reports)
        {
            if (_byId.TryGetValue(report.Id, out var known) && known.Report.Registration == report.Registration)
            {
                if (report.IsNewerThan(known.Report))
                {
                    changed = true;
                    if (known.Report.Snapshot.Epoch != report.Snapshot.Epoch)
                    {
                        known.NewEpoch();
                        news.Add(known.Slot);
                    }
                    known.Report = report;
                }
                continue;
            }
            if (known is not null && known.Report.Registration > report.Registration)
                continue;
            changed = true;
            Leave(known);
            var slot = _slots.IndexOf(null);
            if (slot < 0)
            {
                slot = _slots.Count;
                _slots.Add(null);
            }
            _slots[slot] = _byId[report.Id] = new TrackedWorker(report, slot);
            news.Add(slot);
        }
        foreach (var gone in _byId.Values.Where(w => !reports.Any(r => r.Id == w.Id)).ToArray())
        {
            changed = true;
            Leave(gone);
        }
        if (!changed)
            return null;
        foreach (var worker in _byId.Values)
        {
            if (!worker.Report.Snapshot.IsPairable)
                (worker.UsableSince, worker.IsArmed) = (null, false);
            else
                worker.UsableSince ??= worker.Sequence;
        }
        Compose();
        return news;
    }

    public void Arm(TrackedWorker worker)
    {
        worker.IsArmed = true;
        Compose();
    }

    private static WorkerSnapshot SnapshotOf(TrackedWorker worker) => worker.IsArmed || !worker.Report.Snapshot.IsPairable
        ? worker.Report.Snapshot
        : worker.Report.Snapshot with { Phase = WorkerPhase.Probing, Reason = "this gateway has no credits on it yet" };

    private void Leave(TrackedWorker? worker)
    {
        if (worker is not null)
        {
            worker.IsGone = AnyGone = true;
            _byId.Remove(worker.Id);
        }
    }

    private void Compose()
    {
        var workers = _byId.Values.Where(w => w.Report.Snapshot.Phase != WorkerPhase.Gone)
            .OrderBy(w => w.Report.Registration).ThenBy(w => w.Id.Value, StringComparer.Ordinal).ToArray();
        var groups = TransferGroups.Assign(
            [.. workers.Select(w => (w.Report.Snapshot.Role, w.Report.Snapshot.Model, w.Report.Snapshot.Facts))]);
        Snapshot = new FleetSnapshot(
            Snapshot.Version + 1,
            [.. workers.Select((w, i) => SnapshotOf(w) with { Slot = w.Slot, TransferGroup = groups[i] })],
            regularTakesOver);
    }
}
