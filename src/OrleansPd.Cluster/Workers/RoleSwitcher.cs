using OrleansPd.Engines.ControlPlanes;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Cluster.Workers;

/// <summary>
/// Runs the role switch of a worker that has left rotation, and registers it in its new pool; if the switch fails, returns it to
/// rotation. The switched worker is a new registration: a different engine with the same address.
/// </summary>
internal static class RoleSwitcher
{
    public static async Task RunAsync(
        WorkerHost host, WorkerServices services, WorkerRole role, CancellationToken cancellationToken)
    {
        await Task.Yield();
        RoleSwitchAnswer? answer = null;
        try
        {
            answer = await RoleSwitch.RunAsync(
                services.Probe, services.Clock, TimeSpan.FromSeconds(services.ControlPlane.RoleSwitchTimeoutSecs), role,
                () => host.Current, () => host.View().InFlight, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (answer is not { Outcome: RoleSwitchOutcome.Switched })
            {
                host.Apply(new WorkerInput.SwitchEnded(false)); // after any failure the worker returns to rotation
                host.Signal();
            }
        }
        if (answer is not { Outcome: RoleSwitchOutcome.Switched } || host.Current is not { } switched)
        {
            Log.RoleNotSwitched(services.Log, host.Id, role, answer?.Message ?? "it was removed meanwhile");
            return;
        }
        Log.RoleSwitched(services.Log, host.Id, role);
        host.Apply(new WorkerInput.Remove());
        // The old pool first: while the worker is its member, the fleet grain does not add it again.
        await services.Grains.GetGrain<IWorkerPoolGrain>(PoolKey.Of(switched.Spec)).Forget(host.Id, host.Registration)
            .ConfigureAwait(false);
        await services.Grains.GetGrain<IFleetGrain>(0).Add([switched.Spec with { Role = role }]).ConfigureAwait(false);
    }
}
