using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Telemetry;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Cluster.Workers;

/// <summary>
/// Waits until a worker that leaves rotation is idle, lets its engine switch, and has it registered in its new pool; or puts it
/// back. It is a registration of its own afterwards: another engine in all but its address.
/// </summary>
internal static class RoleSwitcher
{
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BusyPause = TimeSpan.FromSeconds(1);

    public static async Task RunAsync(
        WorkerHost host, WorkerServices services, WorkerRole role, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var until = services.Clock.GetUtcNow() + TimeSpan.FromSeconds(services.ControlPlane.RoleSwitchTimeoutSecs);
        var answer = new RoleSwitchAnswer(RoleSwitchOutcome.Busy, "requests are in flight on it");
        try
        {
            while (answer.Outcome == RoleSwitchOutcome.Busy && services.Clock.GetUtcNow() < until
                && host.Current is { SwitchTo: not null } worker)
            {
                if (host.View().InFlight > 0)
                {
                    await Task.Delay(IdlePoll, services.Clock, cancellationToken).ConfigureAwait(false);
                    continue;
                }
                answer = await services.Probe.SwitchRoleAsync(worker.Spec, role, cancellationToken).ConfigureAwait(false);
                if (answer.Outcome == RoleSwitchOutcome.Busy)
                {
                    await Task.Delay(BusyPause, services.Clock, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            if (answer.Outcome != RoleSwitchOutcome.Switched)
            {
                // Whatever happened, the worker does not stay out of rotation.
                host.Apply(new WorkerInput.SwitchEnded(false));
                host.Signal();
            }
        }
        if (answer.Outcome != RoleSwitchOutcome.Switched || host.Current is not { } switched)
        {
            Log.RoleNotSwitched(services.Log, host.Id, role, answer.Message);
            return;
        }
        Log.RoleSwitched(services.Log, host.Id, role);
        host.Apply(new WorkerInput.Remove());
        // The fleet knows it as a member until its old pool has forgotten it.
        await services.Grains.GetGrain<IWorkerPoolGrain>(PoolKey.Of(switched.Spec)).Forget(host.Id, host.Registration)
            .ConfigureAwait(false);
        await services.Grains.GetGrain<IFleetGrain>(0).Add([switched.Spec with { Role = role }]).ConfigureAwait(false);
    }
}
