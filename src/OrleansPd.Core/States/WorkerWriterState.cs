namespace OrleansPd.Core.States;

/// <summary>
/// The state of one worker of a cluster in its grain, which is its single writer: epoch, breaker, credits, and the gateways'
/// requests there. It reads no clock and waits for nothing. The host publishes <see cref="Report"/> to the fleet whenever
/// <see cref="Version"/> has grown.
/// </summary>
public sealed partial class WorkerWriterState
{
    private readonly ControlPlaneOptions _options;
    private readonly FleetState _fleet;
    private readonly CreditLedger _ledger;
    private readonly WorkerMember _member;
    private readonly int _slot;
    private readonly Dictionary<string, Presence> _gateways = [];
    private readonly ForeignLoad[] _foreign = new ForeignLoad[RoomMint.MaxDpSize];
    private FleetSnapshot? _published;
    private EngineLoad? _load;
    private DateTimeOffset _idleSince;

    /// <param name="options">The operator's settings.</param>
    /// <param name="limits">How long credits are valid.</param>
    /// <param name="last">The last report of the former activation; null = none is known.</param>
    /// <param name="writer">Number of this activation; higher than those of all before it.</param>
    /// <param name="isNew">No gateway can hold credits: the worker was added just now.</param>
    public WorkerWriterState(
        ControlPlaneOptions options, CreditLimits limits, WorkerMember member, WorkerReport? last, long writer, bool isNew,
        DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(member);
        _options = options;
        _member = member;
        _fleet = new FleetState(options);
        _slot = _fleet.Register(member.Spec with { Id = member.Id }, now)!.Slot;
        _idleSince = now;
        if (last is not null && last.Registration == member.Registration)
            _fleet.Resume(_slot, last, now);
        _ledger = new CreditLedger(writer, limits, !isNew, now);
        Publish();
    }

    public WorkerId Id => _member.Id;
    public long Registration => _member.Registration;

    /// <summary>Number of this activation of the grain.</summary>
    public long Writer => _ledger.Id;

    /// <summary>Grows when <see cref="Report"/> has changed.</summary>
    public long Version { get; private set; }

    /// <summary>What the fleet knows of the worker.</summary>
    public WorkerReport Report { get; private set; } = null!;

    /// <summary>Drained or removed: the pool drops it, and the grain has no more to do.</summary>
    public bool IsGone => State.Stage == WorkerPhase.Gone;

    public WorkerState State => _fleet.At(_slot)!;

    /// <summary>Gateways that have or may have requests on the engine.</summary>
    public IEnumerable<string> Gateways => _ledger.Gateways;

    /// <summary>Requests in flight of all gateways, and readiness checks.</summary>
    public int InFlight => _ledger.Running + (_checking ? 1 : 0);

    public bool Apply(WorkerInput input, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (IsGone)
            return false;
        if (input is WorkerInput.Drain && State.Stage != WorkerPhase.Draining)
            _idleSince = now;
        _ = _fleet.Apply(_slot, input, now);
        return Publish();
    }

    /// <summary>Applies the report of a gateway, and grants it credits.</summary>
    public ReportAnswer Sync(GatewayReport report, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.Registration != Registration || IsGone)
            return new(null, 0, IsKnown: false);
        var busy = InFlight > 0;
        var grant = _ledger.Sync(report.Claim, now);
        if (grant is null)
            return new(null, 0, IsKnown: true);
        if (report.Claim.IsLeaving)
        {
            _gateways.Remove(report.Claim.Gateway);
            return new(grant, report.Batch, IsKnown: true);
        }
        var seen = _gateways.TryGetValue(report.Claim.Gateway, out var known) ? known : new Presence();
        if (report.Batch > seen.Batch && report.Epoch == State.Epoch)
        {
            foreach (var run in report.Outcomes)
                Charge(run, now);
        }
        _gateways[report.Claim.Gateway] = new(Math.Max(seen.Batch, report.Batch), report.Rids, report.Stalled, now);
        if (busy && InFlight == 0)
            _idleSince = now;
        EndDrain(now);
        Publish();
        return new(grant, report.Batch, IsKnown: true);
    }

    /// <summary>A gateway is dead. Its credits stay in use until <see cref="EndClearing"/>.</summary>
    /// <returns>The ids of its requests on the engine; null when it had none, or is being cleared already.</returns>
    public ImmutableArray<string>? BeginClearing(string gateway) =>
        _ledger.BeginClearing(gateway) ? _gateways.TryGetValue(gateway, out var had) ? had.Rids : [] : null;

    /// <summary>The requests of a dead gateway were aborted on the engine: its credits are free.</summary>
    public void EndClearing(string gateway, DateTimeOffset now)
    {
        _ledger.Remove(gateway);
        _gateways.Remove(gateway);
        if (InFlight == 0)
            _idleSince = now;
        EndDrain(now);
        Publish();
    }

    /// <summary>To be called about once a second.</summary>
    /// <returns>Gateways that have not reported for too long, to be treated as dead.</returns>
    public ImmutableArray<string> Tick(DateTimeOffset now)
    {
        // Progress of one gateway clears all: the engine works.
        var busy = _gateways.Where(g => g.Value.Rids.Length > 0).Select(g => g.Value.Stalled + (now - g.Value.SeenAt)).ToArray();
        var age = busy.Length == 0 ? 0 : (long)busy.Min().TotalSeconds;
        _fleet.ApplyStall(_slot, age, now);
        for (var rank = 0; rank < _ledger.Ranks; rank++)
        {
            var others = _foreign[rank].At(now);
            _ledger.SetForeign(rank, others, others * _foreign[rank].TokensEach);
        }
        EndDrain(now);
        Publish();
        return _ledger.Overdue(now);
    }

    /// <summary>Every gateway that may hold credits of a former activation has reported, or is dead.</summary>
    public void EndLearning() => _ledger.EndLearning();

    public bool IsLearning(DateTimeOffset now) => _ledger.IsLearning(now);

    /// <summary>
    /// Whether the next activation could restore everything from the gateways and <see cref="Report"/>: the worker serves, no
    /// readiness check runs, no request of a dead gateway is left on it.
    /// </summary>
    public bool IsCalm(DateTimeOffset now) =>
        Report.Snapshot.Phase == WorkerPhase.Ready && !_checking && !_ledger.IsLearning(now) && !_ledger.IsClearing;

    /// <summary>Applies the engine's report of its load.</summary>
    public void Loaded(EngineLoad load, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(load);
        _load = load;
        if (load.Problem is null)
        {
            for (var rank = 0; rank < _ledger.Ranks; rank++)
            {
                if (RankReadings.For(load.Ranks, rank, _ledger.Ranks) is { } reading)
                {
                    _foreign[rank] = _foreign[rank].Read(reading, _ledger.TakePeak(rank), now);
                    _ledger.SetForeign(rank, _foreign[rank].At(now), _foreign[rank].At(now) * _foreign[rank].TokensEach);
                }
            }
            if (!load.Ranks.IsEmpty)
            {
                _ = _fleet.Apply(_slot, new WorkerInput.Capacity(
                    load.Ranks.Min(r => r.MaxRunning), load.Ranks.Min(r => r.MaxTokens)), now);
            }
        }
        EndDrain(now);
        Publish();
    }

    /// <summary>The worker as its operator sees it.</summary>
    public WorkerView View() => new()
    {
        Worker = Report.Snapshot with { ApiKey = null },
        Cost = State.Spec.Cost,
        Since = State.Since,
        Ranks = [.. Enumerable.Range(0, _ledger.Ranks).Select(r =>
            new RankView(r, _ledger.RunningOn(r), _ledger.Foreign(r), _ledger.Slots(r), _ledger.TokensOn(r)))],
        InFlight = InFlight,
        Safety = State.Stage is WorkerPhase.Draining or WorkerPhase.Gone ? Safety : KillSafety.InRotation,
        SwitchTo = State.SwitchTo,
    };

    // A draining worker grants no credits; the count is exact once all gateways have returned theirs.
    private KillSafety Safety => InFlight == 0 && _ledger.Held > 0
        ? new(false, "gateways have not returned their capacity on it yet")
        : KillSafety.Of(InFlight, _idleSince, _load);

    private void Charge(OutcomeRun run, DateTimeOffset now)
    {
        // Further outcomes would not change the breaker.
        for (var i = 0; i < Math.Min(run.Count, 10_000) && run.Outcome != LegOutcome.Neutral; i++)
        {
            var breaker = _fleet.BreakerAt(_slot);
            _ = _fleet.SetBreaker(_slot, run.Outcome == LegOutcome.Succeeded
                ? breaker.Succeeded(_fleet.BreakerLimits, now) : breaker.Failed(_fleet.BreakerLimits, now));
        }
    }

    private void EndDrain(DateTimeOffset now)
    {
        if (State is { Stage: WorkerPhase.Draining, SwitchTo: null } && Safety.IsSafe)
            _ = _fleet.Apply(_slot, new WorkerInput.Remove(), now);
    }

    private bool Publish()
    {
        if (ReferenceEquals(_published, _fleet.Snapshot))
            return false;
        _published = _fleet.Snapshot;
        var snapshot = _published.Workers.FirstOrDefault()
            ?? Report.Snapshot with { Phase = WorkerPhase.Gone, Reason = "removed" };
        snapshot = snapshot with { Slot = 0, TransferGroup = "" };
        Report = new WorkerReport
        {
            Spec = State.Spec,
            Registration = Registration,
            Writer = Writer,
            Version = ++Version,
            Snapshot = snapshot,
            Since = State.Since,
            SwitchTo = State.SwitchTo,
        };
        if (snapshot.Facts != WorkerFacts.Unknown)
        {
            var ranks = _options.DpRanks == DpRankMode.Engine ? 1 : snapshot.DpSize;
            var share = ranks < snapshot.DpSize ? snapshot.DpSize : 1;
            var capacity = new int[ranks];
            var leaves = State.Stage is WorkerPhase.Draining or WorkerPhase.Gone;
            Array.Fill(capacity, leaves ? 0
                : (int)Math.Min(int.MaxValue, (long)LoadTable.CapacityOf(snapshot, _options) * share));
            _ledger.SetCapacity(capacity);
        }
        return true;
    }

    private readonly record struct Presence(long Batch, ImmutableArray<string> Rids, TimeSpan Stalled, DateTimeOffset SeenAt)
    {
        public Presence() : this(0, [], TimeSpan.Zero, default)
        {
        }
    }
}
