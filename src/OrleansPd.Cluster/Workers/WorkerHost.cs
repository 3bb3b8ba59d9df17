using OrleansPd.Cluster.Membership;
using OrleansPd.Core.Placement;
using OrleansPd.Engines.ControlPlanes;
using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Cluster.Workers;

/// <summary>
/// Runs one worker's <see cref="WorkerWriterState"/> for its grain: the monitor, a tick, reports to the pool, and aborts of dead
/// gateways' requests. Its loops run outside the grain's turns, because a probe can take seconds and a claim must not wait for
/// it; so the state is under a lock, inside which nothing waits or logs.
/// </summary>
internal sealed partial class WorkerHost : IMonitoredWorker, IAsyncDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);
    private readonly Lock _gate = new();
    private readonly WorkerServices _services;
    private readonly WorkerWriterState _state;
    private readonly WorkerMonitor _monitor;
    private readonly PartnerCredit _partner;
    private readonly DateTimeOffset _learnAtLeast;
    private readonly MoveTimer _watch;
    private readonly AsyncSignal _changed;
    private readonly LoopGuard _loops;
    private readonly TaskCompletionSource _removed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _moves;
    private bool _isBroken;

    public WorkerHost(WorkerServices services, WorkerMember member, WorkerReport? last, bool isNew)
    {
        _services = services;
        var now = services.Clock.GetUtcNow();
        var limits = new CreditLimits(
            TimeSpan.FromSeconds(
                services.Cluster.CreditSecs), TimeSpan.FromMilliseconds(services.Cluster.LearnMs), CreditLimits.Default.Turn);
        // Higher than the number of the former activation: gateways ignore grants of an older one.
        _state = new WorkerWriterState(
            services.ControlPlane, limits, member, last, Math.Max(now.UtcTicks, (last?.Writer ?? 0) + 1), isNew, now);
        _learnAtLeast = last is null ? now : now + TimeSpan.FromMilliseconds(services.Cluster.AbortSettleMs);
        _watch = new MoveTimer(TimeSpan.FromSeconds(services.Cluster.MoveAfterSecs), now);
        _changed = new AsyncSignal(services.Clock);
        _loops = new LoopGuard((error, loop) => Log.LoopDied(services.Log, error, member.Id, loop));
        _partner = new PartnerCredit(services);
        var seed = HashCode.Combine(member.Id, member.Registration);
        _monitor = new WorkerMonitor(
            this, _state.State, services.Probe, services.ControlPlane, services.Clock, new Random(seed), services.Pace);
    }

    public WorkerId Id => _state.Id;
    public long Registration => _state.Registration;

    /// <summary>The newest report; the next activation continues from it.</summary>
    public WorkerReport Report => Read(state => state.Report);

    public bool IsGone => Read(state => state.IsGone);
    public WorkerState? Current => Read(state => state.State);
    public WorkerPhase Phase => Report.Snapshot.Phase;

    /// <summary>Completes when this host has no more to do: its worker was removed, or one of its loops failed.</summary>
    public Task Ended => Task.WhenAny(_removed.Task, _loops.Died);

    public void Start()
    {
        _services.Registry.Add(this);
        _loops.Run("monitor", _monitor.RunAsync);
        _loops.Run("tick", TickAsync);
        _loops.Run("report", ReportAsync);
    }

    public async ValueTask DisposeAsync()
    {
        _services.Registry.Remove(this);
        await _loops.DisposeAsync().ConfigureAwait(false);
    }

    public ReportAnswer Sync(GatewayReport report)
    {
        if (_services.Members.IsDead(report.Claim.Gateway))
        {
            return new(null, 0, IsKnown: true); // a process that was paused, declared dead and runs again
        }
        ReportAnswer answer;
        var failed = false;
        lock (_gate)
        {
            var before = _state.Version;
            answer = _state.Sync(report, _services.Clock.GetUtcNow());
            // Meanwhile other silos abort the requests of gateways that died together with the former activation.
            var now = _services.Clock.GetUtcNow();
            if (_state.IsLearning(now) && now >= _learnAtLeast && _services.Members.Living().All(_state.Gateways.Contains))
                _state.EndLearning();
            failed = report.Outcomes.Any(o => o.Outcome == LegOutcome.Failed);
            SignalIfChanged(before);
        }
        if (failed)
            _monitor.Signal(legFailed: true);
        return answer;
    }

    public WorkerView View() => Read(state => state.View()) with { Silo = _services.Silos.Address };

    /// <summary>
    /// Whether the grain should move to a silo nearer to its engine now. It moves only while the worker serves, no readiness
    /// check runs and no dead gateway's capacity is being cleared, because the next activation only learns from the gateways.
    /// Once true, no readiness check starts any more.
    /// </summary>
    public bool ShouldMove()
    {
        lock (_gate)
        {
            var now = _services.Clock.GetUtcNow();
            var silos = _services.Silos;
            return _moves |= _watch.Next(Id, _state.State.Spec, silos.Here, silos.Active, now) is not null && _state.IsCalm(now)
                && _state.Gateways.All(ClusterMembers.IsGateway);
        }
    }

    public void Apply(WorkerInput input) => Change(state => state.Apply(input, _services.Clock.GetUtcNow()));

    public void Loaded(EngineLoad load) => Change(state => state.Loaded(load, _services.Clock.GetUtcNow()));

    public void Signal() => _monitor.Signal(legFailed: false);

    /// <summary>The engine has changed what it reports: read it again soon.</summary>
    public void ReadAgain() => _monitor.ReadAgain();

    public async ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken)
    {
        if (_services.Plane.ReadinessRoomMint is not { } mint)
        {
            return null; // this gateway has not joined yet
        }
        ReadinessCheck? check;
        bool busy;
        lock (_gate)
        {
            if (_moves)
                return null;
            check = _state.BeginReadinessCheck(_services.Plane.Fleet, mint, _services.Clock.GetUtcNow());
            // Requests besides the check. A worker without a passed check gets none: requests counted there belong to an old
            // epoch.
            busy = _state.InFlight > 1 && _state.Report.Snapshot.Phase == WorkerPhase.Broken;
        }
        if (check is null)
            return null;
        var partner = check.Prefill?.Id == Id ? check.Decode : check.Prefill;
        if (busy || (partner is not null && !await _partner.TakeAsync(Id, partner, cancellationToken).ConfigureAwait(false)))
        {
            Change(state => state.EndReadinessCheck(check, null, null, _services.Clock.GetUtcNow()));
            return null;
        }
        return check;
    }

    public async ValueTask EndReadinessCheckAsync(ReadinessCheck check, bool? good, string? reason)
    {
        // Before the worker is reported ready: its first requests need the partner's capacity.
        await _partner.ReturnAsync().ConfigureAwait(false);
        Change(state => state.EndReadinessCheck(check, good, reason, _services.Clock.GetUtcNow()));
    }

    /// <summary>Takes the worker out of rotation to switch its role; returns when that has begun.</summary>
    public Task<AdminAnswer> SwitchRoleAsync(WorkerRole role)
    {
        lock (_gate)
        {
            if (RoleSwitch.Check(_state.State, role, _state.View) is { } answer)
                return Task.FromResult(answer);
            var before = _state.Version;
            _state.Apply(new WorkerInput.Switch(role), _services.Clock.GetUtcNow());
            SignalIfChanged(before);
        }
        _loops.Run("role switch", stop => RoleSwitcher.RunAsync(this, _services, role, stop));
        return Task.FromResult(AdminAnswer.Done(View()));
    }

    /// <summary>Aborts the requests of a dead gateway on the engine; then their capacity is free.</summary>
    public void GatewayDied(string gateway)
    {
        var lost = new List<(string Holder, ImmutableArray<string> Rids)>();
        WorkerSnapshot worker;
        lock (_gate)
        {
            worker = _state.Report.Snapshot;
            foreach (var holder in _state.Gateways.Where(h => ClusterMembers.IsOf(h, gateway)).ToArray())
            {
                if (_state.BeginClearing(holder) is { } rids)
                    lost.Add((holder, rids));
            }
        }
        foreach (var (holder, rids) in lost)
            _loops.Run("abort", stop => ClearAsync(holder, rids, worker, stop));
    }

    private T Read<T>(Func<WorkerWriterState, T> read)
    {
        lock (_gate)
            return read(_state);
    }

    private void Change(Action<WorkerWriterState> transition)
    {
        lock (_gate)
        {
            var before = _state.Version;
            transition(_state);
            SignalIfChanged(before);
        }
    }

    private void SignalIfChanged(long before)
    {
        if (_state.Version == before)
            return;
        _changed.Signal();
        var broke = !_isBroken && _state.Report.Snapshot.Phase == WorkerPhase.Broken;
        _isBroken = _state.Report.Snapshot.Phase == WorkerPhase.Broken;
        if (broke)
        {
            _monitor.Signal(legFailed: false); // from now on readiness checks are due
        }
    }
}
