using OrleansPd.Engines.ControlPlanes;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Standalone;

/// <summary>
/// Administration of the fleet: each command is one transition under the lock; a role switch is a background loop.
/// </summary>
public sealed partial class EmbeddedControlPlane : IFleetAdmin
{
    public ValueTask<ImmutableArray<WorkerView>> ListAsync(CancellationToken cancellationToken) => new(Locked(_state.List));

    public ValueTask<AdminAnswer> AddAsync(WorkerSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (Register(spec) is not { } worker)
        {
            return new(AdminAnswer.Failed(
                AdminProblem.Duplicate, $"The worker {WorkerAddress.IdOf(spec.Url)} is registered already."));
        }
        _lines.Add(() => _log.Added(spec.Role, worker.Id));
        return new(Viewed(worker.Id));
    }

    public ValueTask<AdminAnswer> PatchAsync(WorkerId id, WorkerPatch patch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(patch);
        return new(Change(() =>
        {
            if (_state.Find(id) is not { } worker)
                return AdminAnswer.NotRegistered(id);
            _ = _state.Apply(id, new WorkerInput.Patched(patch.ApplyTo(worker.Spec)), _clock.GetUtcNow(), _clock.GetTimestamp());
            return AdminAnswer.Done(_state.View(id)!);
        }));
    }

    public ValueTask<AdminAnswer> RemoveAsync(WorkerId id, bool force, CancellationToken cancellationToken)
    {
        var view = Change(() =>
        {
            var removed = _state.Remove(id, force, _clock.GetUtcNow(), _clock.GetTimestamp());
            Signal(id);
            return removed;
        });
        return new(view is null ? AdminAnswer.NotRegistered(id) : AdminAnswer.Done(view));
    }

    public ValueTask<ImmutableArray<PoolView>> PoolsAsync(CancellationToken cancellationToken) => new(Locked(_state.Pools));

    /// <summary>The target size is kept in memory only: set it again after a restart.</summary>
    public ValueTask<PoolAnswer> ScaleAsync(PoolTarget target, CancellationToken cancellationToken) => new(Change(() =>
    {
        var answer = _state.Scale(target, _clock.GetUtcNow(), _clock.GetTimestamp());
        foreach (var id in answer.Drained)
            Signal(id);
        return answer;
    }));

    public async ValueTask<AdminAnswer> SwitchRoleAsync(WorkerId id, WorkerRole role, CancellationToken cancellationToken)
    {
        var (answer, registration) = Change<(AdminAnswer?, long)>(() =>
        {
            if (_state.Find(id) is not { } worker)
                return (AdminAnswer.NotRegistered(id), 0);
            var refused = RoleSwitch.Check(worker, role, () => _state.View(id)!);
            if (refused is null)
                _ = _state.BeginSwitch(id, role, _clock.GetUtcNow(), _clock.GetTimestamp());
            return (refused, worker.Registration);
        });
        if (answer is { } known)
            return known;
        var switching = new TaskCompletionSource<AdminAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        _loops.Run($"role switch of {id}", async stop =>
        {
            try
            {
                switching.TrySetResult(await SwitchAsync(id, registration, role, stop));
            }
            catch (Exception e)
            {
                switching.TrySetException(e);
                throw;
            }
        });
        return await switching.Task.WaitAsync(cancellationToken);
    }

    public ValueTask CachesFlushedAsync(WorkerId id, CancellationToken cancellationToken)
    {
        lock (_gate)
            _state.CachesFlushed(id);
        return ValueTask.CompletedTask;
    }

    public ValueTask ReadAgainAsync(WorkerId id, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_monitors.TryGetValue(id, out var monitor))
                monitor.ReadAgain();
        }
        return ValueTask.CompletedTask;
    }

    private AdminAnswer Viewed(WorkerId id) =>
        Locked(() => _state.View(id)) is { } view ? AdminAnswer.Done(view) : AdminAnswer.NotRegistered(id);

    /// <summary>Runs a switch that has begun and puts the worker back into rotation, in its old role or the new one.</summary>
    private async Task<AdminAnswer> SwitchAsync(
        WorkerId id, long registration, WorkerRole role, CancellationToken cancellationToken)
    {
        RoleSwitchAnswer? answer = null;
        try
        {
            answer = await RoleSwitch.RunAsync(
                _probe, _clock, TimeSpan.FromSeconds(_options.RoleSwitchTimeoutSecs), role,
                () => Locked(() => Current(id, registration)), () =>
                    Locked(() => _state.InFlightAndChecks(id)), cancellationToken);
        }
        finally
        {
            Apply(id, registration, new WorkerInput.SwitchEnded(answer is { Outcome: RoleSwitchOutcome.Switched }));
            Locked(() =>
            {
                Signal(id);
                return true;
            });
        }
        if (answer is not { } ended)
            return AdminAnswer.Failed(AdminProblem.Conflict, "The worker was removed meanwhile.");
        if (ended.Outcome == RoleSwitchOutcome.Switched)
        {
            _lines.Add(() => _log.RoleSwitched(id, role));
            return Viewed(id);
        }
        _lines.Add(() => _log.RoleNotSwitched(id, role, ended.Message));
        var problem = ended.Outcome == RoleSwitchOutcome.Busy ? AdminProblem.TimedOut : AdminProblem.EngineRefused;
        return AdminAnswer.Failed(problem, $"The worker keeps its role and serves again: {ended.Message}");
    }
}
