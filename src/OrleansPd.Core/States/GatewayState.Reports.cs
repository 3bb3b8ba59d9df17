namespace OrleansPd.Core.States;

/// <summary>The gateway's reports to the workers' grains, and the credits in their answers.</summary>
public sealed partial class GatewayState
{
    /// <summary>Whether to report to the worker's grain immediately instead of at the next tick.</summary>
    public bool IsUrgent(WorkerId id, long registration) => Find(id, registration) is { } worker && IsUrgent(worker);

    /// <summary>The same, by the worker's slot in <see cref="AdmissionState.Fleet"/>.</summary>
    public bool IsUrgent(int slot) => _fleet.At(slot) is { } worker && IsUrgent(worker);

    /// <summary>
    /// The report to a worker's grain. Its outcomes are repeated until <see cref="Answered"/>. Null: no such worker.
    /// </summary>
    public GatewayReport? NextReport(WorkerId id, long registration, long timestamp, long frequency)
    {
        if (Find(id, registration) is not { } worker)
            return null;
        worker.Pack();
        worker.IsUrgent = false;
        var demand = worker.Report.Snapshot.IsPairable ? Admission.Waiting : 0; // a waiting request may use any worker
        var ranks = ImmutableArray.CreateBuilder<RankClaim>(worker.Ranks);
        for (var rank = 0; rank < worker.Ranks; rank++)
        {
            ref readonly var load = ref Admission.Catalog.Load(worker.Slot, rank);
            ranks.Add(new RankClaim(
                Math.Max(load.Capacity, load.Running), load.Running, demand, Admission.Catalog.TakePeak(
                    worker.Slot, rank), load.Tokens));
        }
        var ages = Stalls.Ages(Admission.Leases, _fleet, timestamp);
        return new GatewayReport
        {
            Claim = new CreditClaim
            {
                Gateway = _gateway,
                Sequence = ++worker.Sequence,
                Ledger = worker.Ledger,
                Ranks = ranks.MoveToImmutable(),
            },
            Registration = registration,
            Epoch = worker.OutcomesEpoch,
            Batch = worker.Batch,
            Outcomes = [.. worker.Sent],
            Stalled = TimeSpan.FromSeconds(worker.Slot < ages.Length ? (double)ages[worker.Slot] / frequency : 0),
            Rids = Rids(worker.Slot),
        };
    }

    /// <summary>Applies the answer to the last report. The credits in it are valid from the time the report was sent.</summary>
    public void Answered(
        WorkerId id, GatewayReport report, ReportAnswer answer, DateTimeOffset sentAt, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(answer);
        if (Find(id, report.Registration) is not { } worker || report.Claim.Sequence != worker.Sequence)
            return;
        if (answer.Grant is not { } grant || grant.Ledger < worker.Ledger || now - sentAt > _limits.Frozen)
        {
            return; // overtaken, from a former writer, or so old that the cluster may have declared us dead
        }
        worker.Acknowledged(answer.Batch);
        (worker.Ledger, worker.ValidUntil, worker.IsTight) = (grant.Ledger, sentAt + grant.ValidFor, grant.IsTight);
        var less = false;
        worker.HasLess = grant.Ranks.Any(r => r.Credits < r.Share);
        for (var rank = 0; rank < Math.Min(worker.Ranks, grant.Ranks.Length); rank++)
        {
            var given = grant.Ranks[rank];
            var before = Admission.Catalog.Load(worker.Slot, rank).Capacity;
            less |= given.Credits < before;
            Admission.Catalog.SetCredits(worker.Slot, rank, given.Credits, given.Share, given.Others, given.OthersTokens);
        }
        if (!worker.IsArmed && report.Claim.Sequence > worker.UsableSince)
        {
            _fleet.Arm(worker);
            Publish(_fleet.Snapshot, now);
        }
        // Returned credits are free for others only after the next report.
        worker.IsUrgent |= less || worker.Ranks != grant.Ranks.Length;
        Admission.Pump(now, timestamp);
    }

    private bool IsUrgent(TrackedWorker worker) =>
        worker.IsUrgent || (worker.IsTight && (Admission.Waiting > 0 || worker.HasChanges || worker.HasLess));

    private TrackedWorker? Find(WorkerId id, long registration) =>
        _fleet.All.FirstOrDefault(w => w.Id == id && w.Report.Registration == registration);

    /// <summary>The ids of all requests in flight, by worker.</summary>
    public IReadOnlyDictionary<WorkerId, ImmutableArray<string>.Builder> LiveRids()
    {
        var live = new Dictionary<WorkerId, ImmutableArray<string>.Builder>();
        for (var lease = Admission.Leases; lease is not null; lease = lease.Next)
        {
            if (!lease.DecodeEnded)
                Add(lease.Decode.Id, lease.Rids);
            if (!lease.PrefillEnded)
                Add(lease.Prefill!.Id, lease.Rids);
        }
        return live;

        void Add(WorkerId worker, IReadOnlyList<string> rids)
        {
            if (!live.TryGetValue(worker, out var all))
                live.Add(worker, all = ImmutableArray.CreateBuilder<string>());
            all.AddRange(rids);
        }
    }

    private ImmutableArray<string> Rids(int slot)
    {
        var rids = ImmutableArray.CreateBuilder<string>();
        for (var lease = Admission.Leases; lease is not null; lease = lease.Next)
        {
            if ((!lease.DecodeEnded && lease.Decode.Slot == slot) || (!lease.PrefillEnded && lease.Prefill!.Slot == slot))
                rids.AddRange(lease.Rids);
        }
        return rids.ToImmutable();
    }
}
