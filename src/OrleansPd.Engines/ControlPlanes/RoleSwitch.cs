using OrleansPd.Engines.Probes;

namespace OrleansPd.Engines.ControlPlanes;

/// <summary>Gives a worker the other role: waits until it is idle, then makes its engine switch.</summary>
public static class RoleSwitch
{
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BusyRetry = TimeSpan.FromSeconds(1);

    /// <summary>The answer to a request for a switch that must not begin; null = it may.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="role">Its new role.</param>
    /// <param name="view">The worker as its operator sees it.</param>
    public static AdminAnswer? Check(WorkerState worker, WorkerRole role, Func<WorkerView> view)
    {
        ArgumentNullException.ThrowIfNull(worker);
        ArgumentNullException.ThrowIfNull(view);
        if (worker.Spec.Role == WorkerRole.Regular || role == WorkerRole.Regular)
            return AdminAnswer.Failed(AdminProblem.Conflict, "Only prefill and decode workers can switch roles.");
        if (worker.Spec.Role == role && worker.SwitchTo is null)
            return AdminAnswer.Done(view());
        return worker.Stage is WorkerPhase.Ready or WorkerPhase.Probing
            ? null
            : AdminAnswer.Failed(
                AdminProblem.Conflict, $"The worker is not in rotation now: {worker.Reason ?? "it is not ready"}.");
    }

    /// <summary>Runs a switch that has begun. The caller puts the worker back into rotation, whatever the outcome.</summary>
    /// <param name="probe">Calls the engine.</param>
    /// <param name="clock">The time.</param>
    /// <param name="limit">Time for the worker to become idle and for its engine to switch.</param>
    /// <param name="role">The new role.</param>
    /// <param name="current">The worker now; null = it is no longer registered.</param>
    /// <param name="inFlight">Requests in flight on it.</param>
    /// <param name="cancellationToken">Stops the process.</param>
    /// <returns>Null: the worker was removed meanwhile.</returns>
    public static async Task<RoleSwitchAnswer?> RunAsync(
        IEngineProbe probe, TimeProvider clock, TimeSpan limit, WorkerRole role, Func<WorkerState?> current, Func<int> inFlight,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(probe);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(current);
        ArgumentNullException.ThrowIfNull(inFlight);
        var until = clock.GetUtcNow() + limit;
        var answer = new RoleSwitchAnswer(RoleSwitchOutcome.Busy, "requests are in flight on it");
        while (answer.Outcome == RoleSwitchOutcome.Busy && clock.GetUtcNow() < until)
        {
            if (current() is not { SwitchTo: not null } worker)
                return null;
            if (inFlight() > 0)
            {
                await Task.Delay(IdlePoll, clock, cancellationToken).ConfigureAwait(false);
                continue;
            }
            answer = await probe.SwitchRoleAsync(worker.Spec, role, cancellationToken).ConfigureAwait(false);
            if (answer.Outcome == RoleSwitchOutcome.Busy)
                await Task.Delay(BusyRetry, clock, cancellationToken).ConfigureAwait(false);
        }
        return answer;
    }
}
