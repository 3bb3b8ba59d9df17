using Microsoft.Extensions.Logging;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Monitoring;
using OrleansPd.Engines.Probes;
using OrleansPd.Standalone.Facade;

namespace OrleansPd.Standalone;

/// <summary>
/// The control plane inside the gateway's process: Core's state under one lock, a monitor for each worker, and a tick. Nothing
/// inside the lock waits, and no call here leaves the process on a request's path.
/// </summary>
public sealed partial class EmbeddedControlPlane : IControlPlane, IFacadeFleet, IAsyncDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly ControlPlaneState _state;
    private readonly ControlPlaneOptions _options;
    private readonly IEngineProbe _probe;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly int _seed;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<WorkerId, WorkerMonitor> _monitors = [];
    private readonly MonitorPace _pace = new();
    private readonly List<Task> _loops = [];
    private readonly List<WaitingRequest> _granted = [];
    private readonly TaskCompletionSource<Exception> _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FacadeRow? _facades;
    private bool _started;

    private EmbeddedControlPlane(ControlPlaneOptions options, IEngineProbe probe, TimeProvider clock, int seed, ILogger log)
    {
        _options = options;
        _probe = probe;
        _clock = clock;
        _log = log;
        _seed = seed;
        var mint = new RoomMint(RoomMint.PrefixOf(seed), RoomMint.CounterAt(clock.GetUtcNow()));
        _state = new ControlPlaneState(options, mint, seed);
        _facades = options.BootstrapFacade ? new FacadeRow(this, options, clock, log) : null;
    }

    public FleetSnapshot Fleet => _state.Fleet;

    /// <summary>True when a policy reads the prefix blocks of requests.</summary>
    public bool UsesPrefixBlocks => _state.NeedsPrefix;

    /// <summary>Leases of which a leg still runs.</summary>
    public int Leases
    {
        get
        {
            lock (_gate)
            {
                return _state.Live;
            }
        }
    }

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _state.Waiting;
            }
        }
    }

    /// <summary>What the room table holds and has done.</summary>
    public RoomStats Rooms
    {
        get
        {
            lock (_gate)
            {
                return _state.Rooms;
            }
        }
    }

    /// <summary>Completes when a background loop has died, with its exception; the process should then end.</summary>
    public Task<Exception> Died => _died.Task;

    /// <param name="options">What the operator wants.</param>
    /// <param name="probe">Asks the engines.</param>
    /// <param name="clock">The time.</param>
    /// <param name="seed">Of rooms and of chance; different for gateways that share engines.</param>
    /// <param name="log">Where changes of workers are told.</param>
    /// <exception cref="ArgumentException">A policy's name or a worker's address is wrong.</exception>
    public static EmbeddedControlPlane Create(
        ControlPlaneOptions options, IEngineProbe probe, TimeProvider clock, int seed, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(probe);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(log);
        var plane = new EmbeddedControlPlane(options, probe, clock, seed, log);
        foreach (var worker in options.Workers)
        {
            _ = plane.Register(worker) ?? throw new ArgumentException($"the worker {worker.Url} is named twice", nameof(options));
        }
        return plane;
    }

    /// <summary>Begins to look for the workers; returns at once.</summary>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _started = true;
            _loops.Add(Guarded(TickAsync(_stop.Token), "tick"));
            if (_facades is not null)
            {
                _loops.Add(Guarded(_facades.RunAsync(_stop.Token), "facades"));
            }
            foreach (var monitor in _monitors)
            {
                _loops.Add(Guarded(monitor.Value.RunAsync(_stop.Token), monitor.Key.Value));
            }
        }
        return Task.CompletedTask;
    }

    /// <summary>Refuses what waits and what comes, and ends the probing. Leases in flight may still be reported.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        Task[] loops;
        lock (_gate)
        {
            _state.Stop();
            CompleteGranted();
            loops = [.. _loops];
        }
        await _stop.CancelAsync();
        await Task.WhenAll(loops).WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    /// <summary>Adds a worker; null when one of that name is there.</summary>
    public WorkerState? Register(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        lock (_gate)
        {
            if (_state.Register(spec, _clock.GetUtcNow()) is not { } worker)
            {
                return null;
            }
            var random = new Random(HashCode.Combine(_seed, worker.Registration));
            var monitor = new WorkerMonitor(new Kept(this, worker), worker, _probe, _options, _clock, random, _pace);
            _monitors[worker.Id] = monitor;
            if (_started)
            {
                _loops.RemoveAll(loop => loop.IsCompleted);
                _loops.Add(Guarded(monitor.RunAsync(_stop.Token), worker.Id.Value));
            }
            return worker;
        }
    }

    public ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        WaitingRequest waiting;
        TaskCompletionSource<PairGrant> outcome;
        lock (_gate)
        {
            var answer = _state.Acquire(request, _clock.GetUtcNow(), _clock.GetTimestamp());
            CompleteGranted();
            if (answer.Grant is { } grant)
            {
                return new(grant);
            }
            waiting = answer.Waiting!;
            waiting.Tag = outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        return new(WaitAsync(waiting, outcome, cancellationToken));
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(lease);
        lock (_gate)
        {
            var before = _state.Fleet;
            _ = _state.LegEnded(lease, side, outcome, _clock.GetUtcNow(), _clock.GetTimestamp());
            CompleteGranted();
            Tell(before);
        }
        if (outcome == LegOutcome.Failed && (side == LegSide.Prefill ? lease.Prefill : lease.Decode) is { } worker)
        {
            Signal(worker.Id, doubtful: true);
        }
    }

    public ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken) =>
        new(RegisterRank(room, rank, null));

    public ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            for (var i = 0; i < rooms.Length; i++)
            {
                ranks.Span[i] = _state.QueryRank(rooms.Span[i], _clock.GetUtcNow());
            }
        }
        return ValueTask.CompletedTask;
    }

    private RankRegistration RegisterRank(long room, int rank, WorkerSnapshot? prefill)
    {
        lock (_gate)
        {
            var now = _clock.GetUtcNow();
            var outcome = _state.RegisterRank(room, rank, prefill, now);
            if (outcome == RankRegistration.Conflict)
            {
                _log.RoomConflict(room, rank, prefill?.Id, _state.OwnerOf(room, now));
            }
            return outcome;
        }
    }

    /// <summary>The worker while it is the same registration; an address may have been removed and added again.</summary>
    internal WorkerState? Find(WorkerId id, long registration)
    {
        lock (_gate)
        {
            return _state.Find(id) is { } worker && worker.Registration == registration ? worker : null;
        }
    }

    private WorkerPhase PhaseOf(WorkerId id, long registration)
    {
        lock (_gate)
        {
            return Find(id, registration) is null ? WorkerPhase.Gone : _state.PhaseOf(id);
        }
    }

    internal void Apply(WorkerId id, long registration, WorkerInput input) => Change(() =>
    {
        if (Find(id, registration) is not null)
        {
            _ = _state.Apply(id, input, _clock.GetUtcNow(), _clock.GetTimestamp());
        }
    });

    RankRegistration IFacadeFleet.RegisterRank(long room, int rank, WorkerSnapshot prefill) => RegisterRank(room, rank, prefill);

    /// <summary>The input names the epoch of the worker, so a later registration ignores it.</summary>
    void IFacadeFleet.Opened(WorkerId prefill, WorkerInput.Fronted address) =>
        Change(() => _ = _state.Apply(prefill, address, _clock.GetUtcNow(), _clock.GetTimestamp()));

    internal ReadinessCheck? BeginReadinessCheck(WorkerId id, long registration)
    {
        lock (_gate)
        {
            return Find(id, registration) is null ? null : _state.BeginReadinessCheck(id, _clock.GetUtcNow());
        }
    }

    internal void EndReadinessCheck(ReadinessCheck trial, bool? good, string? reason) =>
        Change(() => _state.EndReadinessCheck(trial, good, reason, _clock.GetUtcNow(), _clock.GetTimestamp()));

    private sealed class Kept(EmbeddedControlPlane plane, WorkerState worker) : IMonitoredWorker
    {
        public WorkerState? Current => plane.Find(worker.Id, worker.Registration);

        public WorkerPhase Phase => plane.PhaseOf(worker.Id, worker.Registration);

        public void Apply(WorkerInput input) => plane.Apply(worker.Id, worker.Registration, input);

        public void Loaded(EngineLoad load) => plane.Loaded(worker.Id, worker.Registration, load);

        public ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken) =>
            new(plane.BeginReadinessCheck(worker.Id, worker.Registration));

        public ValueTask EndReadinessCheckAsync(ReadinessCheck trial, bool? good, string? reason)
        {
            plane.EndReadinessCheck(trial, good, reason);
            return ValueTask.CompletedTask;
        }
    }

    private void Change(Action transition)
    {
        lock (_gate)
        {
            var before = _state.Fleet;
            transition();
            CompleteGranted();
            Tell(before);
        }
    }

    private async Task<PairGrant> WaitAsync(
        WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome, CancellationToken cancellationToken)
    {
        using var timer = _clock.CreateTimer(_ => TimedOut(waiting, outcome), null, waiting.Wait, Timeout.InfiniteTimeSpan);
        using var gone = cancellationToken.UnsafeRegister(_ => Abandoned(waiting, outcome, cancellationToken), null);
        return await outcome.Task;
    }

    private void TimedOut(WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome)
    {
        lock (_gate)
        {
            if (_state.TimedOut(waiting, _clock.GetUtcNow(), _clock.GetTimestamp()))
            {
                outcome.TrySetResult(waiting.Grant!.Value);
            }
            CompleteGranted();
        }
    }

    private void Abandoned(WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_state.Abandon(waiting, _clock.GetUtcNow(), _clock.GetTimestamp()))
            {
                outcome.TrySetCanceled(cancellationToken);
            }
            CompleteGranted();
        }
    }

    private void CompleteGranted()
    {
        _state.TakeGranted(_granted);
        foreach (var waiting in _granted)
        {
            ((TaskCompletionSource<PairGrant>)waiting.Tag!).TrySetResult(waiting.Grant!.Value);
        }
        _granted.Clear();
    }

    /// <summary>Logs what changed, and wakes the monitors of workers that wait for a partner.</summary>
    private void Tell(FleetSnapshot before)
    {
        var after = _state.Fleet;
        if (ReferenceEquals(before, after))
        {
            return;
        }
        _facades?.Signal();
        var moved = after.Workers.Length != before.Workers.Length;
        for (var i = 0; i < after.Workers.Length; i++)
        {
            var worker = after.Workers[i];
            var old = Former(before, worker, i);
            if (ReferenceEquals(old, worker))
            {
                continue;
            }
            if (old is not null && old.Epoch != worker.Epoch)
            {
                _log.Restarted(worker.Id, worker.Epoch);
            }
            moved |= old is not null && old.FacadePort != worker.FacadePort;
            if (old is not null && old.Phase != worker.Phase)
            {
                moved = true;
                _log.PhaseChanged(
                    worker.Role, worker.Id, worker.Epoch, old.Phase, worker.Phase, worker.Reason is { } why ? $": {why}" : "");
            }
            if (old is not null && worker.Facts.Role is { } told && told != worker.Role && old.Facts.Role != told)
            {
                _log.RoleDiffers(worker.Id, told, worker.Role);
            }
        }
        if (!moved)
        {
            return;
        }
        foreach (var worker in after.Workers)
        {
            if (worker.Phase is (WorkerPhase.Probing or WorkerPhase.Broken))
            {
                Signal(worker.Id);
            }
        }
        if (_monitors.Count == after.Workers.Length)
        {
            return;
        }
        foreach (var gone in _monitors.Where(k => Find(k.Key, k.Value.Registration) is null).ToArray())
        {
            gone.Value.Signal(doubtful: false);
            _monitors.Remove(gone.Key);
            _log.Removed(gone.Key);
        }
    }

    /// <summary>
    /// The same worker in the snapshot before. Both are in order of registration, so it stands at the same place, or, when some
    /// have left, a little further on: a search for each would make a change of one worker cost the square of the fleet.
    /// </summary>
    private static WorkerSnapshot? Former(FleetSnapshot before, WorkerSnapshot worker, int place)
    {
        for (var i = place; i < before.Workers.Length; i++)
        {
            if (before.Workers[i].Id == worker.Id)
            {
                return before.Workers[i];
            }
        }
        return null;
    }

    private void Signal(WorkerId id, bool doubtful = false)
    {
        lock (_gate)
        {
            if (_monitors.TryGetValue(id, out var monitor))
            {
                monitor.Signal(doubtful);
            }
        }
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TickInterval, _clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            Change(() => _state.Tick(_clock.GetUtcNow(), _clock.GetTimestamp(), _clock.TimestampFrequency));
        }
    }

    private async Task Guarded(Task loop, string name)
    {
        try
        {
            await loop;
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            _log.LoopDied(e, name);
            _died.TrySetResult(e);
        }
    }
}
