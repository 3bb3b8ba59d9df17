using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Standalone;

/// <summary>The workers: a monitor for each, and what follows from a change of the fleet.</summary>
public sealed partial class EmbeddedControlPlane
{
    private readonly Dictionary<WorkerId, WorkerMonitor> _monitors = [];
    private readonly MonitorPace _pace = new();

    /// <summary>Adds a worker; null when one of that name is registered already.</summary>
    public WorkerState? Register(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        lock (_gate)
        {
            if (_state.Register(spec, _clock.GetUtcNow()) is not { } worker)
                return null;
            var random = new Random(HashCode.Combine(_seed, worker.Registration));
            var monitor = new WorkerMonitor(new Monitored(this, worker), worker, _probe, _options, _clock, random, _pace);
            _monitors[worker.Id] = monitor;
            if (_started)
                _loops.Run(worker.Id.Value, monitor.RunAsync);
            return worker;
        }
    }

    /// <summary>Publishes a change of the fleet: to the log, the facades and the monitors. Under the lock.</summary>
    /// <param name="before">The fleet before the transition.</param>
    private void Changed(FleetSnapshot before)
    {
        _waiters.CompleteGranted();
        var after = _state.Fleet;
        if (ReferenceEquals(before, after))
            return;
        _facades?.Signal();
        if (!FleetLog.Write(_lines, _log, before, after))
            return;
        foreach (var worker in after.Workers)
        {
            if (worker.Phase is (WorkerPhase.Probing or WorkerPhase.Broken))
            {
                Signal(worker.Id); // a partner for its readiness check may be there now
            }
        }
        if (_monitors.Count == after.Workers.Length)
            return;
        foreach (var (id, monitor) in _monitors.Where(m => Current(m.Key, m.Value.Registration) is null).ToArray())
        {
            monitor.Signal(legFailed: false);
            _monitors.Remove(id);
            _lines.Add(() => _log.Removed(id));
        }
    }

    /// <summary>
    /// The worker if it is still the same registration: an address can be removed and added again. Under the lock.
    /// </summary>
    private WorkerState? Current(WorkerId id, long registration) =>
        _state.Find(id) is { } worker && worker.Registration == registration ? worker : null;

    /// <summary>Lets the worker's monitor check it at once. Under the lock.</summary>
    private void Signal(WorkerId id, bool legFailed = false)
    {
        if (_monitors.TryGetValue(id, out var monitor))
            monitor.Signal(legFailed);
    }

    /// <summary>Applies an input if the worker is still the same registration.</summary>
    private void Apply(WorkerId id, long registration, WorkerInput input) => Change(() =>
        Current(id, registration) is null ? null : _state.Apply(id, input, _clock.GetUtcNow(), _clock.GetTimestamp()));

    /// <summary>One registration of a worker, as its monitor sees it.</summary>
    private sealed class Monitored(EmbeddedControlPlane plane, WorkerState worker) : IMonitoredWorker
    {
        public WorkerState? Current => plane.Locked(() => plane.Current(worker.Id, worker.Registration));

        public WorkerPhase Phase => plane.Locked(() => plane.Current(worker.Id, worker.Registration) is null
            ? WorkerPhase.Gone : plane._state.PhaseOf(worker.Id));

        public void Apply(WorkerInput input) => plane.Apply(worker.Id, worker.Registration, input);

        public void Loaded(EngineLoad load) => plane.Change(() =>
        {
            if (plane.Current(worker.Id, worker.Registration) is { } current)
            {
                plane._state.Loaded(worker.Id, load, plane._clock.GetUtcNow(), plane._clock.GetTimestamp());
                return current;
            }
            return null;
        });

        public ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken) =>
            new(plane.Locked(() => plane.Current(worker.Id, worker.Registration) is null
                ? null : plane._state.BeginReadinessCheck(worker.Id, plane._clock.GetUtcNow())));

        public ValueTask EndReadinessCheckAsync(ReadinessCheck check, bool? good, string? reason)
        {
            plane.Change(() =>
            {
                plane._state.EndReadinessCheck(check, good, reason, plane._clock.GetUtcNow(), plane._clock.GetTimestamp());
                return true;
            });
            return ValueTask.CompletedTask;
        }
    }
}
