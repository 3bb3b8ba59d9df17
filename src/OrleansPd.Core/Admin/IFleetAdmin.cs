using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>
/// What an operator does to the fleet while it serves. The second port of a control plane: the management API talks to it and
/// cannot tell which host stands behind.
/// </summary>
public interface IFleetAdmin
{
    /// <summary>All workers in order of registration, then those that were removed, newest first.</summary>
    ValueTask<ImmutableArray<WorkerView>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds a worker. It serves when a generation went through it; the answer does not wait for that.</summary>
    ValueTask<AdminAnswer> AddAsync(WorkerSpec spec, CancellationToken cancellationToken);

    /// <summary>Changes what can be changed while a worker serves.</summary>
    ValueTask<AdminAnswer> PatchAsync(WorkerId id, WorkerPatch patch, CancellationToken cancellationToken);

    /// <summary>
    /// Takes a worker out: it gets nothing new, and is gone when nothing is left on it, or at once with <paramref name="force"/>.
    /// </summary>
    ValueTask<AdminAnswer> RemoveAsync(WorkerId id, bool force, CancellationToken cancellationToken);

    /// <summary>
    /// Gives a worker the other role: takes it out, waits until it is idle, lets its engine switch, takes it in again. Ends when
    /// the engine has switched or has not; a caller who leaves does not stop it.
    /// </summary>
    ValueTask<AdminAnswer> SwitchRoleAsync(WorkerId id, WorkerRole role, CancellationToken cancellationToken);

    /// <summary>
    /// All pools with a worker or a wanted size, by role and name. What a cluster does not tell just now is what this gateway
    /// knows.
    /// </summary>
    ValueTask<ImmutableArray<PoolView>> PoolsAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Says how many workers a pool should have. Kept for as long as the host keeps anything: a cluster stores it, one process
    /// forgets it with its end.
    /// </summary>
    ValueTask<PoolAnswer> ScaleAsync(PoolTarget wish, CancellationToken cancellationToken);

    /// <summary>The caches of a worker's engine were emptied: nothing is to be expected there.</summary>
    ValueTask CachesFlushedAsync(WorkerId id, CancellationToken cancellationToken);

    /// <summary>
    /// A worker's engine was made to tell something else of itself (its adapters): it is read again soon, whatever the interval.
    /// Does not wait for that; the snapshot shows it.
    /// </summary>
    ValueTask ReadAgainAsync(WorkerId id, CancellationToken cancellationToken);
}
