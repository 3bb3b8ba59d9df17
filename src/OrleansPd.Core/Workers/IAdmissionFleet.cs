namespace OrleansPd.Core.Workers;

/// <summary>
/// What admission must know of workers beyond their snapshot. In one process the fleet itself; in a cluster a copy of it.
/// </summary>
internal interface IAdmissionFleet
{
    /// <returns>-1 when there is no worker of that name.</returns>
    int SlotOf(WorkerId id);

    /// <summary>Whether this is the worker's present life.</summary>
    bool IsPresent(WorkerSnapshot worker);

    /// <summary>
    /// Whether a client's request may try the worker of an open breaker now; with <paramref name="take"/> it does.
    /// </summary>
    bool TryHalfOpen(int slot, bool take, DateTimeOffset now);
}
