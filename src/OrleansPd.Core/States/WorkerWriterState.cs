using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Load;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// One worker of a cluster as its single writer holds it: life, breaker, credits, what gateways have there. One writer; knows
/// no time, waits for nothing. The host shows <see cref="Report"/> to the fleet whenever <see cref="Version"/> has grown.
/// </summary>
public sealed class WorkerWriterState
{
    private readonly ControlPlaneOptions _options;
    private readonly FleetState _fleet;
    private readonly CreditLedger _ledger;
    private readonly WorkerMember _member;
    private readonly int _slot;
    private readonly Dictionary<string, Presence> _gateways = [];
    private readonly ForeignLoad[] _seen = new ForeignLoad[RoomMint.MaxDpSize];
    private FleetSnapshot? _told;
    private EngineLoad? _load;
    private DateTimeOffset _idleSince;
    private bool _trying;
    private int _tries;

    /// <param name="options">What the operator wants.</param>
    /// <param name="limits">How long credits live.</param>
    /// <param name="member">The worker.</param>
    /// <param name="last">What its former writer told last; null = nothing is known.</param>
    /// <param name="writer">The life of this writer; higher than of all before.</param>
    /// <param name="isNew">Nobody can hold credits: the worker was added just now.</param>
    /// <param name="now">The time.</param>
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
        {
            _fleet.Resume(_slot, last, now);
        }
        _ledger = new CreditLedger(writer, limits, !isNew, now);
        Show();
    }

    public WorkerId Id => _member.Id;

    public long Registration => _member.Registration;

    /// <summary>The life of this writer.</summary>
    public long Writer => _ledger.Id;

    /// <summary>Grows when <see cref="Report"/> has changed.</summary>
    public long Version { get; private set; }

    /// <summary>What is told to the fleet.</summary>
    public WorkerReport Report { get; private set; } = null!;

    /// <summary>Drained or removed: the pool forgets it, and this writer has nothing more to do.</summary>
    public bool IsGone => State.Stage == WorkerPhase.Gone;

    public WorkerState State => _fleet.At(_slot)!;

    /// <summary>Gateways that have or may have something on the engine.</summary>
    public IEnumerable<string> Gateways => _ledger.Gateways;

    /// <summary>In flight of all gateways, and trials.</summary>
    public int InFlight => _ledger.Running + (_trying ? 1 : 0);

    public bool Apply(WorkerInput input, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (IsGone)
        {
            return false;
        }
        if (input is WorkerInput.Drain && State.Stage != WorkerPhase.Draining)
        {
            _idleSince = now;
        }
        _ = _fleet.Apply(_slot, input, now);
        return Show();
    }

    /// <summary>Takes what a gateway tells, and grants it credits.</summary>
    public ReportAnswer Take(GatewayReport report, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.Registration != Registration || IsGone)
        {
            return new(null, 0, IsKnown: false);
        }
        var busy = InFlight > 0;
        var grant = _ledger.Sync(report.Claim, now);
        if (grant is null)
        {
            return new(null, 0, IsKnown: true);
        }
        if (report.Claim.IsLeaving)
        {
            _gateways.Remove(report.Claim.Gateway);
            return new(grant, report.Batch, IsKnown: true);
        }
        var seen = _gateways.TryGetValue(report.Claim.Gateway, out var known) ? known : new Presence();
        if (report.Batch > seen.Batch && report.Epoch == State.Epoch)
        {
            foreach (var run in report.Outcomes)
            {
                Charge(run, now);
            }
        }
        _gateways[report.Claim.Gateway] = new(Math.Max(seen.Batch, report.Batch), report.Rids, report.Stalled, now);
        if (busy && InFlight == 0)
        {
            _idleSince = now;
        }
        EndDrain(now);
        Show();
        return new(grant, report.Batch, IsKnown: true);
    }

    /// <summary>A gateway is dead. What it held stays taken until <see cref="Cleared"/>.</summary>
    /// <returns>The ids it had on the engine; null when it had nothing here, or is being cleared already.</returns>
    public ImmutableArray<string>? Lost(string gateway) =>
        _ledger.Leaving(gateway) ? _gateways.TryGetValue(gateway, out var had) ? had.Rids : [] : null;

    /// <summary>What a dead gateway had was aborted on the engine: its credits are free.</summary>
    public void Cleared(string gateway, DateTimeOffset now)
    {
        _ledger.Gone(gateway);
        _gateways.Remove(gateway);
        if (InFlight == 0)
        {
            _idleSince = now;
        }
        EndDrain(now);
        Show();
    }

    /// <summary>To be called about once a second.</summary>
    /// <returns>Gateways that were not heard of for too long, to be treated as dead.</returns>
    public ImmutableArray<string> Tick(DateTimeOffset now)
    {
        // One gateway that moves clears all: the engine works.
        var busy = _gateways.Where(g => g.Value.Rids.Length > 0).Select(g => g.Value.Stalled + (now - g.Value.SeenAt)).ToArray();
        var age = busy.Length == 0 ? 0 : (long)busy.Min().TotalSeconds;
        var problem = age >= _options.StallSuspectSecs ? $"nothing in flight has moved for {age / 10 * 10} s" : null;
        _ = _fleet.Apply(_slot, new WorkerInput.Stall(problem), now);
        if (age >= _options.StallBrokenSecs && Report.Shown.IsPairable && !_fleet.BreakerAt(_slot).IsOpen)
        {
            _ = _fleet.SetBreaker(_slot, Breaker.Opened(_fleet.BreakerLimits, now));
        }
        for (var rank = 0; rank < _ledger.Ranks; rank++)
        {
            var others = _seen[rank].At(now);
            _ledger.SetForeign(rank, others, others * _seen[rank].TokensEach);
        }
        EndDrain(now);
        Show();
        return _ledger.Overdue(now);
    }

    /// <summary>Every gateway that may hold credits of a former writer has spoken, or is dead.</summary>
    public void Learned() => _ledger.Learned();

    public bool IsLearning(DateTimeOffset now) => _ledger.IsLearning(now);

    /// <summary>
    /// Nothing is known here that the next writer could not learn from the gateways and from <see cref="Report"/>: the worker
    /// serves, nothing is tried on it, nothing of a dead gateway is left on it.
    /// </summary>
    public bool IsCalm(DateTimeOffset now) =>
        Report.Shown.Phase == WorkerPhase.Ready && !_trying && !_ledger.IsLearning(now) && !_ledger.IsClearing;

    /// <summary>Takes what the engine told of its load.</summary>
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
                    _seen[rank] = _seen[rank].Read(reading, _ledger.TakePeak(rank), now);
                    _ledger.SetForeign(rank, _seen[rank].At(now), _seen[rank].At(now) * _seen[rank].TokensEach);
                }
            }
            if (!load.Ranks.IsEmpty)
            {
                _ = _fleet.Apply(_slot, new WorkerInput.Capacity(
                    load.Ranks.Min(r => r.MaxRunning), load.Ranks.Min(r => r.MaxTokens)), now);
            }
        }
        EndDrain(now);
        Show();
    }

    /// <summary>
    /// A generation of our own that is due; null when none is, or nobody is there to try with. There is one writer, so there is
    /// one trial in the whole cluster.
    /// </summary>
    /// <param name="fleet">The newest known fleet: who could be the partner.</param>
    /// <param name="mint">Makes the room.</param>
    /// <param name="now">The time.</param>
    public ReadinessCheck? BeginReadinessCheck(FleetSnapshot fleet, RoomMint mint, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(mint);
        var due = !_trying && Report.Shown.Phase switch
        {
            WorkerPhase.Probing => _fleet.MayTry(_slot, now),
            WorkerPhase.Broken => _fleet.TryHalfOpen(_slot, take: false, now),
            _ => false,
        };
        if (!due)
        {
            return null;
        }
        var self = fleet.Workers.FirstOrDefault(w => w.Id == Id);
        if (self is null && Report.Shown.Role != WorkerRole.Regular)
        {
            return null;
        }
        var worker = Report.Shown with { TransferGroup = self?.TransferGroup ?? "" };
        var partner = worker.Role == WorkerRole.Regular ? null : Partner(worker, fleet);
        if (partner is null && worker.Role != WorkerRole.Regular)
        {
            return null;
        }
        if (worker.Phase == WorkerPhase.Broken)
        {
            _ = _fleet.TryHalfOpen(_slot, take: true, now);
        }
        _trying = true;
        _tries++;
        var prefill = worker.Role == WorkerRole.Prefill ? worker : partner;
        var decode = worker.Role == WorkerRole.Prefill ? partner! : worker;
        var room = prefill is null ? 0 : _options.DpRanks == DpRankMode.Engine ? mint.Next(1, 0) : mint.Next(prefill.DpSize, 0);
        return new ReadinessCheck(
            prefill, decode, room, LegTargets.Prefill(
                _options.DpRanks, prefill, 0), LegTargets.Decode(_options.DpRanks, prefill, 0, decode, 0));
    }

    /// <param name="trial">The trial that ended.</param>
    /// <param name="good">Null: called off.</param>
    /// <param name="reason">Why it was not good.</param>
    /// <param name="now">The time.</param>
    public void EndReadinessCheck(ReadinessCheck trial, bool? good, string? reason, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(trial);
        var tried = trial.Prefill?.Id == Id ? trial.Prefill : trial.Decode;
        _trying = false;
        if (good == true)
        {
            _tries = 0;
            _ = _fleet.Apply(_slot, new WorkerInput.Proved(tried.Epoch), now);
        }
        else if (good == false)
        {
            _ = _fleet.Apply(_slot, new WorkerInput.NotProved(reason ?? "a generation failed"), now);
        }
        if (tried.Phase == WorkerPhase.Broken && State.Epoch == tried.Epoch)
        {
            _ = _fleet.SetBreaker(_slot, _fleet.BreakerAt(_slot).HalfOpenEnded(_fleet.BreakerLimits, good, now));
        }
        if (InFlight == 0)
        {
            _idleSince = now;
        }
        EndDrain(now);
        Show();
    }

    /// <summary>The worker as its operator sees it.</summary>
    public WorkerView View() => new()
    {
        Worker = Report.Shown with { ApiKey = null },
        Cost = State.Spec.Cost,
        Since = State.Since,
        Ranks = [.. Enumerable.Range(0, _ledger.Ranks).Select(r =>
            new RankView(r, _ledger.RunningOn(r), _ledger.Foreign(r), _ledger.Places(r), _ledger.TokensOn(r)))],
        InFlight = InFlight,
        Safety = State.Stage is WorkerPhase.Draining or WorkerPhase.Gone ? Safety : KillSafety.InRotation,
        SwitchTo = State.SwitchTo,
    };

    // While it drains nothing is granted; only when all gateways have said so is their count the truth.
    private KillSafety Safety => InFlight == 0 && _ledger.Held > 0
        ? new(false, "gateways have not given up their places on it yet")
        : KillSafety.Of(InFlight, _idleSince, _load);

    private WorkerSnapshot? Partner(WorkerSnapshot worker, FleetSnapshot fleet)
    {
        var others = worker.Role == WorkerRole.Prefill ? fleet.Decode : fleet.Prefill;
        var fitting = others.Where(o => o.TransferGroup == worker.TransferGroup).ToArray();
        var candidates = fitting.Where(o => o.IsPairable).Concat(fitting.Where(o => o.Phase == WorkerPhase.Probing)).ToArray();
        return candidates.Length == 0 ? null : candidates[_tries % candidates.Length];
    }

    private void Charge(OutcomeRun run, DateTimeOffset now)
    {
        // More than this changes no breaker any more.
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
        {
            _ = _fleet.Apply(_slot, new WorkerInput.Remove(), now);
        }
    }

    private bool Show()
    {
        if (ReferenceEquals(_told, _fleet.Snapshot))
        {
            return false;
        }
        _told = _fleet.Snapshot;
        var shown = _told.Workers.FirstOrDefault() ?? Report.Shown with { Phase = WorkerPhase.Gone, Reason = "removed" };
        shown = shown with { Slot = 0, TransferGroup = "" };
        Report = new WorkerReport
        {
            Spec = State.Spec,
            Registration = Registration,
            Writer = Writer,
            Version = ++Version,
            Shown = shown,
            Since = State.Since,
            SwitchTo = State.SwitchTo,
        };
        if (shown.Facts != WorkerFacts.Unknown)
        {
            var ranks = _options.DpRanks == DpRankMode.Engine ? 1 : shown.DpSize;
            var share = ranks < shown.DpSize ? shown.DpSize : 1;
            var places = new int[ranks];
            var leaves = State.Stage is WorkerPhase.Draining or WorkerPhase.Gone;
            Array.Fill(places, leaves ? 0 : (int)Math.Min(int.MaxValue, (long)LoadTable.Window(shown, _options) * share));
            _ledger.SetCapacity(places);
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
