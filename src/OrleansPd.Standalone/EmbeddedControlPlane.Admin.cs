using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Standalone;

/// <summary>
/// The fleet's administration: each wish is one transition under the lock; a role switch is a small loop beside it.
/// </summary>
public sealed partial class EmbeddedControlPlane : IFleetAdmin
{
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SwitchRetry = TimeSpan.FromSeconds(1);

    public ValueTask<ImmutableArray<WorkerView>> ListAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(_state.List());
        }
    }

    public ValueTask<AdminAnswer> AddAsync(WorkerSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        lock (_gate)
        {
            if (Register(spec) is not { } worker)
            {
                return new(AdminAnswer.Failed(
                    AdminProblem.Duplicate, $"The worker {WorkerAddress.IdOf(spec.Url)} is registered already."));
            }
            _log.Added(spec.Role, worker.Id);
            return new(AdminAnswer.Done(_state.View(worker.Id)!));
        }
    }

    public ValueTask<AdminAnswer> PatchAsync(WorkerId id, WorkerPatch patch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(patch);
        lock (_gate)
        {
            if (_state.Find(id) is not { } worker)
            {
                return new(NotRegistered(id));
            }
            Apply(id, worker.Registration, new WorkerInput.Patched(patch.ApplyTo(worker.Spec)));
            return new(AdminAnswer.Done(_state.View(id)!));
        }
    }

    public ValueTask<AdminAnswer> RemoveAsync(WorkerId id, bool force, CancellationToken cancellationToken)
    {
        WorkerView? view = null;
        Change(() => view = _state.Remove(id, force, _clock.GetUtcNow(), _clock.GetTimestamp()));
        Signal(id);
        return new(view is null ? NotRegistered(id) : AdminAnswer.Done(view));
    }

    public ValueTask<ImmutableArray<PoolView>> PoolsAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(_state.Pools());
        }
    }

    /// <summary>Kept in memory: whoever restarts the process says it again.</summary>
    public ValueTask<PoolAnswer> ScaleAsync(PoolTarget wish, CancellationToken cancellationToken)
    {
        PoolAnswer answer = default;
        Change(() => answer = _state.Scale(wish, _clock.GetUtcNow(), _clock.GetTimestamp()));
        foreach (var id in answer.Drained)
        {
            Signal(id);
        }
        return new(answer);
    }

    public async ValueTask<AdminAnswer> SwitchRoleAsync(WorkerId id, WorkerRole role, CancellationToken cancellationToken)
    {
        Task<AdminAnswer> running;
        lock (_gate)
        {
            if (_state.Find(id) is not { } worker)
            {
                return NotRegistered(id);
            }
            if (worker.Spec.Role == WorkerRole.Regular || role == WorkerRole.Regular)
            {
                return AdminAnswer.Failed(AdminProblem.Conflict, "Only prefill and decode workers can change places.");
            }
            if (worker.Spec.Role == role && worker.SwitchTo is null)
            {
                return AdminAnswer.Done(_state.View(id)!);
            }
            var begun = false;
            Change(() => begun = _state.BeginSwitch(id, role, _clock.GetUtcNow(), _clock.GetTimestamp()));
            if (!begun)
            {
                return AdminAnswer.Failed(
                    AdminProblem.Conflict, "The worker is not in rotation now: " + (worker.Reason ?? "it is not ready") + ".");
            }
            running = SwitchAsync(id, worker.Registration, role, _stop.Token);
            _loops.RemoveAll(loop => loop.IsCompleted);
            _loops.Add(Guarded(running, id.Value));
        }
        return await running.WaitAsync(cancellationToken);
    }

    public ValueTask CachesFlushedAsync(WorkerId id, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _state.CachesFlushed(id);
        }
        return ValueTask.CompletedTask;
    }

    public ValueTask ReadAgainAsync(WorkerId id, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_monitors.TryGetValue(id, out var monitor))
            {
                monitor.ReadAgain();
            }
        }
        return ValueTask.CompletedTask;
    }

    internal void Loaded(WorkerId id, long registration, EngineLoad load) => Change(() =>
    {
        if (Find(id, registration) is not null)
        {
            _state.Loaded(id, load, _clock.GetUtcNow(), _clock.GetTimestamp());
        }
    });

    private static AdminAnswer NotRegistered(WorkerId id) =>
        AdminAnswer.Failed(AdminProblem.NotFound, $"No worker '{id}' is registered.");

    /// <summary>Waits until the worker is idle, lets its engine switch, and puts it back, in the one role or the other.</summary>
    private async Task<AdminAnswer> SwitchAsync(
        WorkerId id, long registration, WorkerRole role, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var until = _clock.GetUtcNow() + TimeSpan.FromSeconds(_options.RoleSwitchTimeoutSecs);
        var answer = new RoleSwitchAnswer(RoleSwitchOutcome.Busy, "requests are in flight on it");
        try
        {
            while (answer.Outcome == RoleSwitchOutcome.Busy && _clock.GetUtcNow() < until)
            {
                if (Find(id, registration) is not { SwitchTo: not null } worker)
                {
                    return AdminAnswer.Failed(AdminProblem.Conflict, "The worker was removed meanwhile.");
                }
                if (InFlight(id) > 0)
                {
                    await Task.Delay(IdlePoll, _clock, cancellationToken);
                    continue;
                }
                answer = await _probe.SwitchRoleAsync(worker.Spec, role, cancellationToken);
                if (answer.Outcome == RoleSwitchOutcome.Busy)
                {
                    await Task.Delay(SwitchRetry, _clock, cancellationToken);
                }
            }
        }
        finally
        {
            // Whatever happened, the worker does not stay out of rotation.
            Apply(id, registration, new WorkerInput.SwitchEnded(answer.Outcome == RoleSwitchOutcome.Switched));
            Signal(id);
        }
        if (answer.Outcome == RoleSwitchOutcome.Switched)
        {
            _log.RoleSwitched(id, role);
            lock (_gate)
            {
                return _state.View(id) is { } view ? AdminAnswer.Done(view) : NotRegistered(id);
            }
        }
        _log.RoleNotSwitched(id, role, answer.Message);
        var problem = answer.Outcome == RoleSwitchOutcome.Busy ? AdminProblem.TimedOut : AdminProblem.EngineRefused;
        return AdminAnswer.Failed(problem, $"The worker keeps its role and serves again: {answer.Message}");
    }

    private int InFlight(WorkerId id)
    {
        lock (_gate)
        {
            return _state.OnWorker(id);
        }
    }
}
