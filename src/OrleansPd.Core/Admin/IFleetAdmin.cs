namespace OrleansPd.Core.Admin;

/// <summary>
/// Changes of the fleet while it serves. The second port of a control plane: the management API uses it with either host.
/// </summary>
public interface IFleetAdmin
{
    /// <summary>All workers in order of registration, then the removed ones, newest first.</summary>
    ValueTask<ImmutableArray<WorkerView>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds a worker. It serves after a readiness check; the answer does not wait for that.</summary>
    ValueTask<AdminAnswer> AddAsync(WorkerSpec spec, CancellationToken cancellationToken);

    /// <summary>Changes priority, cost, labels or key of a worker.</summary>
    ValueTask<AdminAnswer> PatchAsync(WorkerId id, WorkerPatch patch, CancellationToken cancellationToken);

    /// <summary>
    /// Drains a worker and removes it when no request is left on it; removes it at once with <paramref name="force"/>.
    /// </summary>
    ValueTask<AdminAnswer> RemoveAsync(WorkerId id, bool force, CancellationToken cancellationToken);

    /// <summary>
    /// Switches a worker's role: drains it, waits until it is idle, makes its engine switch, and returns it to rotation.
    /// Completes when the engine has switched or failed to; cancelling the call does not stop the switch.
    /// </summary>
    ValueTask<AdminAnswer> SwitchRoleAsync(WorkerId id, WorkerRole role, CancellationToken cancellationToken);

    /// <summary>
    /// All pools with a worker or a target size, by role and name. When the cluster does not answer, as this gateway knows them.
    /// </summary>
    ValueTask<ImmutableArray<PoolView>> PoolsAsync(CancellationToken cancellationToken);

    /// <summary>Sets the target size of a pool. A cluster stores it; a single process keeps it until it ends.</summary>
    ValueTask<PoolAnswer> ScaleAsync(PoolTarget target, CancellationToken cancellationToken);

    /// <summary>The caches of a worker's engine were flushed: drops its prefixes from the index.</summary>
    ValueTask CachesFlushedAsync(WorkerId id, CancellationToken cancellationToken);

    /// <summary>
    /// The facts of a worker's engine changed (its adapters): reads them again soon, not at the next interval. Does not wait for
    /// that; the snapshot shows the result.
    /// </summary>
    ValueTask ReadAgainAsync(WorkerId id, CancellationToken cancellationToken);
}
