using OrleansPd.Core.Placement;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Administration of the fleet from any gateway: each change is a call to the worker's grain or to the fleet grain.
/// </summary>
public sealed partial class ClusterControlPlane : IFleetAdmin
{
    private static readonly TimeSpan SwitchPoll = TimeSpan.FromMilliseconds(100);

    public async ValueTask<ImmutableArray<WorkerView>> ListAsync(CancellationToken cancellationToken)
    {
        var reports = Volatile.Read(ref _reports).Values.OrderBy(r => r.Registration)
            .ThenBy(r => r.Id.Value, StringComparer.Ordinal);
        return [.. await Task.WhenAll(reports.Select(report => ViewAsync(report, cancellationToken))).ConfigureAwait(false)];
    }

    public async ValueTask<AdminAnswer> AddAsync(WorkerSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        spec = EngineLocation.NamedOn(_services.Silos.Here, spec);
        var id = spec.Id ?? WorkerAddress.IdOf(spec.Url);
        var added = await _grains.GetGrain<IFleetGrain>(0).Add([spec]).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (added.IsEmpty)
            return AdminAnswer.Failed(AdminProblem.Duplicate, $"The worker {id} is registered already.");
        var view = await _grains.WorkerGrain(spec.Role, id).View().WaitAsync(cancellationToken).ConfigureAwait(false);
        return AdminAnswer.Done(view ?? ViewOf(new WorkerMember(id, spec with { Id = id }, 0).FirstReport(_clock.GetUtcNow())));
    }

    public ValueTask<AdminAnswer> PatchAsync(WorkerId id, WorkerPatch patch, CancellationToken cancellationToken) =>
        AskAsync(id, worker => worker.Patch(patch), cancellationToken);

    public ValueTask<AdminAnswer> RemoveAsync(WorkerId id, bool force, CancellationToken cancellationToken) =>
        AskAsync(id, worker => worker.Retire(force), cancellationToken);

    public async ValueTask<AdminAnswer> SwitchRoleAsync(WorkerId id, WorkerRole role, CancellationToken cancellationToken)
    {
        if (ReportOf(id) is not { } before)
            return AdminAnswer.NotRegistered(id);
        var answer = await _grains.WorkerGrain(before.Spec.Role, id).SwitchRole(role).WaitAsync(cancellationToken)
            .ConfigureAwait(false);
        if (answer.Problem is not null || before.Spec.Role == role)
            return answer;
        // The grain gives up after the same time; wait 5 s longer, so that its result is seen.
        var until = _clock.GetUtcNow() + TimeSpan.FromSeconds(_options.RoleSwitchTimeoutSecs + 5);
        var begun = false;
        while (_clock.GetUtcNow() < until)
        {
            var report = ReportOf(id);
            begun |= report?.SwitchTo is not null;
            if (report is not null && report.Spec.Role == role && report.Registration != before.Registration)
                return AdminAnswer.Done(await ViewAsync(report, cancellationToken).ConfigureAwait(false));
            if (begun && report is { SwitchTo: null } && report.Registration == before.Registration
                && report.Snapshot.Phase != WorkerPhase.Gone)
            {
                return AdminAnswer.Failed(
                    AdminProblem.EngineRefused, "The worker keeps its role and serves again; its silo logs the reason.");
            }
            await Task.Delay(SwitchPoll, _clock, cancellationToken).ConfigureAwait(false);
        }
        return AdminAnswer.Failed(AdminProblem.TimedOut, "The switch has not ended in time.");
    }

    /// <summary>Affects this gateway only: the others correct their index by the answers of the engine.</summary>
    public ValueTask CachesFlushedAsync(WorkerId id, CancellationToken cancellationToken)
    {
        lock (_gate)
            _state?.CachesFlushed(id);
        return ValueTask.CompletedTask;
    }

    public async ValueTask ReadAgainAsync(WorkerId id, CancellationToken cancellationToken)
    {
        if (ReportOf(id) is { } report)
            await _grains.WorkerGrain(report.Spec.Role, id).ReadAgain().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<AdminAnswer> AskAsync(
        WorkerId id, Func<IWorkerGrain, Task<WorkerView?>> ask, CancellationToken cancellationToken)
    {
        if (ReportOf(id) is not { } report)
            return AdminAnswer.NotRegistered(id);
        var view = await ask(_grains.WorkerGrain(report.Spec.Role, id)).WaitAsync(cancellationToken).ConfigureAwait(false);
        return view is null ? AdminAnswer.NotRegistered(id) : AdminAnswer.Done(view);
    }

    private async Task<WorkerView> ViewAsync(WorkerReport report, CancellationToken cancellationToken)
    {
        try
        {
            var view = await _grains.WorkerGrain(report.Spec.Role, report.Id).View().WaitAsync(cancellationToken)
                .ConfigureAwait(false);
            return view ?? ViewOf(report);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.WriterAway(_log, report.Id, e.Message);
            return ViewOf(report);
        }
    }

    private static WorkerView ViewOf(WorkerReport report) => new()
    {
        Worker = report.Snapshot with { ApiKey = null },
        Cost = report.Spec.Cost,
        Since = report.Since,
        Safety = new(false, "its grain does not answer"),
        SwitchTo = report.SwitchTo,
    };
}
