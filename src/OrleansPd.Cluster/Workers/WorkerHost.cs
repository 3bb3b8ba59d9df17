using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Placement;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Cluster.Workers;

/// <summary>
/// Runs one worker's <see cref="WorkerWriterState"/> for its grain: probing, a tick, telling the pool, and aborting what dead
/// gateways left. Its loops are none of the grain's turns, since a probe may take seconds and a claim must not wait for it; so
/// the desk is under a lock, inside which nothing waits.
/// </summary>
internal sealed partial class WorkerHost : IMonitoredWorker, IAsyncDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);
    private readonly Lock _gate = new();
    private readonly WorkerServices _services;
    private readonly WorkerWriterState _desk;
    private readonly WorkerMonitor _monitor;
    private readonly PartnerCredit _partner;
    private readonly DateTimeOffset _learnAtLeast;
    private readonly MoveTimer _watch;
    private readonly AsyncSignal _changed;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _loops = [];
    private bool _moves;
    private bool _isBroken;

    public WorkerHost(WorkerServices services, WorkerMember member, WorkerReport? last, bool isNew)
    {
        _services = services;
        var now = services.Clock.GetUtcNow();
        var limits = new CreditLimits(
            TimeSpan.FromSeconds(
                services.Cluster.CreditSecs), TimeSpan.FromMilliseconds(services.Cluster.LearnMs), CreditLimits.Default.Turn);
        // Two lives of a writer are never in the same tick: one ends, and is noticed, before the next begins.
        _desk = new WorkerWriterState(
            services.ControlPlane, limits, member, last, Math.Max(now.UtcTicks, (last?.Writer ?? 0) + 1), isNew, now);
        _learnAtLeast = last is null ? now : now + TimeSpan.FromMilliseconds(services.Cluster.AbortSettleMs);
        _watch = new MoveTimer(TimeSpan.FromSeconds(services.Cluster.MoveAfterSecs), now);
        _changed = new AsyncSignal(services.Clock);
        _partner = new PartnerCredit(services);
        var seed = HashCode.Combine(member.Id, member.Registration);
        _monitor = new WorkerMonitor(
            this, _desk.State, services.Probe, services.ControlPlane, services.Clock, new Random(seed), services.Pace);
    }

    public WorkerId Id => _desk.Id;

    public long Registration => _desk.Registration;

    /// <summary>What is told of it: a writer that goes on from here knows what this one did.</summary>
    public WorkerReport Report
    {
        get
        {
            lock (_gate)
            {
                return _desk.Report;
            }
        }
    }

    public bool IsGone
    {
        get
        {
            lock (_gate)
            {
                return _desk.IsGone;
            }
        }
    }

    public WorkerState? Current
    {
        get
        {
            lock (_gate)
            {
                return _desk.State;
            }
        }
    }

    public WorkerPhase Phase => Report.Shown.Phase;

    public void Start()
    {
        _services.Registry.Add(this);
        _loops.Add(Guarded(_monitor.RunAsync(_stop.Token)));
        _loops.Add(Guarded(TickAsync(_stop.Token)));
        _loops.Add(Guarded(TellAsync(_stop.Token)));
    }

    public async ValueTask DisposeAsync()
    {
        _services.Registry.Remove(this);
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_loops).ConfigureAwait(false);
        _stop.Dispose();
    }

    public ReportAnswer Take(GatewayReport report)
    {
        if (_services.Members.IsDead(report.Claim.Gateway))
        {
            return new(null, 0, IsKnown: true); // a frozen process that runs again and has not noticed
        }
        ReportAnswer answer;
        var failed = false;
        lock (_gate)
        {
            var before = _desk.Version;
            answer = _desk.Take(report, _services.Clock.GetUtcNow());
            // What gateways had that died with the former writer is aborted by their witnesses meanwhile.
            var now = _services.Clock.GetUtcNow();
            if (_desk.IsLearning(now) && now >= _learnAtLeast && _services.Members.Living().All(_desk.Gateways.Contains))
            {
                _desk.Learned();
            }
            failed = report.Outcomes.Any(o => o.Outcome == LegOutcome.Failed);
            SignalIfChanged(before);
        }
        if (failed)
        {
            _monitor.Signal(doubtful: true);
        }
        return answer;
    }

    public WorkerView View()
    {
        lock (_gate)
        {
            return _desk.View() with { Silo = _services.Silos.Address };
        }
    }

    /// <summary>
    /// Whether the writer should move to a silo nearer to its engine now. It does at a calm moment only, since the next one
    /// learns from the gateways alone: when the worker serves, nothing is tried on it and no dead gateway's places are cleared.
    /// Once it should, nothing of that begins any more.
    /// </summary>
    public bool ShouldMove()
    {
        lock (_gate)
        {
            var now = _services.Clock.GetUtcNow();
            var silos = _services.Silos;
            return _moves |= _watch.Look(Id, _desk.State.Spec, silos.Here, silos.Active, now) is not null && _desk.IsCalm(now)
                && _desk.Gateways.All(Membership.ClusterMembers.IsGateway);
        }
    }

    public void Apply(WorkerInput input) => Change(desk => desk.Apply(input, _services.Clock.GetUtcNow()));

    public void Loaded(EngineLoad load) => Change(desk => desk.Loaded(load, _services.Clock.GetUtcNow()));

    /// <summary>Something happened that is worth a look at once.</summary>
    public void Signal() => _monitor.Signal(doubtful: false);

    /// <summary>The engine tells something else of itself than before.</summary>
    public void ReadAgain() => _monitor.ReadAgain();

    public async ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken)
    {
        if (_services.Plane.ReadinessRoomMint is not { } mint)
        {
            return null; // this silo has no prefix yet
        }
        ReadinessCheck? trial;
        bool busy;
        lock (_gate)
        {
            if (_moves)
            {
                return null;
            }
            trial = _desk.BeginReadinessCheck(_services.Plane.Fleet, mint, _services.Clock.GetUtcNow());
            // Requests beside the trial. A worker that is not proved yet gets none: what is counted there was its former life's.
            busy = _desk.InFlight > 1 && _desk.Report.Shown.Phase == WorkerPhase.Broken;
        }
        if (trial is null)
        {
            return null;
        }
        var partner = trial.Prefill?.Id == Id ? trial.Decode : trial.Prefill;
        if (busy || (partner is not null && !await _partner.TakeAsync(Id, partner, cancellationToken).ConfigureAwait(false)))
        {
            Change(desk => desk.EndReadinessCheck(trial, null, null, _services.Clock.GetUtcNow()));
            return null;
        }
        return trial;
    }

    public async ValueTask EndReadinessCheckAsync(ReadinessCheck trial, bool? good, string? reason)
    {
        // Before the worker is seen to be ready: its first requests need the partner's place.
        await _partner.ReturnAsync().ConfigureAwait(false);
        Change(desk => desk.EndReadinessCheck(trial, good, reason, _services.Clock.GetUtcNow()));
    }

    /// <summary>Takes the worker out of rotation to give it another role; answers when that has begun.</summary>
    public Task<AdminAnswer> SwitchRoleAsync(WorkerRole role)
    {
        lock (_gate)
        {
            var worker = _desk.State;
            if (worker.Spec.Role == WorkerRole.Regular || role == WorkerRole.Regular)
            {
                return Task.FromResult(
                    AdminAnswer.Failed(AdminProblem.Conflict, "Only prefill and decode workers can change places."));
            }
            if (worker.Spec.Role == role && worker.SwitchTo is null)
            {
                return Task.FromResult(AdminAnswer.Done(_desk.View()));
            }
            if (worker.Stage is not (WorkerPhase.Ready or WorkerPhase.Probing))
            {
                return Task.FromResult(AdminAnswer.Failed(
                    AdminProblem.Conflict, "The worker is not in rotation now: " + (worker.Reason ?? "it is not ready") + "."));
            }
            var before = _desk.Version;
            _desk.Apply(new WorkerInput.Switch(role), _services.Clock.GetUtcNow());
            SignalIfChanged(before);
            _loops.RemoveAll(loop => loop.IsCompleted);
            _loops.Add(Guarded(RoleSwitcher.RunAsync(this, _services, role, _stop.Token)));
            return Task.FromResult(AdminAnswer.Done(_desk.View()));
        }
    }

    /// <summary>Ends on the engine what a dead gateway has there; then its places are free.</summary>
    public void GatewayDied(string gateway)
    {
        lock (_gate)
        {
            foreach (var holder in _desk.Gateways.Where(h => Membership.ClusterMembers.IsOf(h, gateway)).ToArray())
            {
                if (_desk.Lost(holder) is { } rids)
                {
                    _loops.RemoveAll(loop => loop.IsCompleted);
                    _loops.Add(Guarded(ClearAsync(holder, rids, _desk.Report.Shown, _stop.Token)));
                }
            }
        }
    }

    private void Change(Action<WorkerWriterState> transition)
    {
        lock (_gate)
        {
            var before = _desk.Version;
            transition(_desk);
            SignalIfChanged(before);
        }
    }

    private void SignalIfChanged(long before)
    {
        if (_desk.Version == before)
        {
            return;
        }
        _changed.Signal();
        var broke = !_isBroken && _desk.Report.Shown.Phase == WorkerPhase.Broken;
        _isBroken = _desk.Report.Shown.Phase == WorkerPhase.Broken;
        if (broke)
        {
            _monitor.Signal(doubtful: false); // from now on trials come due
        }
    }
}
