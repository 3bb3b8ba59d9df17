namespace OrleansPd.Core.Workers;

/// <summary>
/// What admission needs besides the snapshot. In one process this is the fleet itself; in a cluster a copy of it.
/// </summary>
internal interface IAdmissionFleet
{
    /// <returns>-1 = no such worker.</returns>
    int SlotOf(WorkerId id);

    bool IsPresent(WorkerSnapshot worker);

    /// <summary>
    /// Whether a half-open request may start on a worker with an open breaker; <paramref name="take"/> starts it.
    /// </summary>
    bool TryHalfOpen(int slot, bool take, DateTimeOffset now);
}
