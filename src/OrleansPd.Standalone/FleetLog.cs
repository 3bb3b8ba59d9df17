using OrleansPd.Engines.ControlPlanes;

namespace OrleansPd.Standalone;

/// <summary>Log lines for the difference between two snapshots of the fleet.</summary>
internal static class FleetLog
{
    /// <returns>True when workers came or went, or one changed its phase or its facade address.</returns>
    public static bool Write(LogQueue lines, ILogger log, FleetSnapshot before, FleetSnapshot after)
    {
        var moved = after.Workers.Length != before.Workers.Length;
        for (var i = 0; i < after.Workers.Length; i++)
        {
            var worker = after.Workers[i];
            if (Former(before, worker, i) is not { } old || ReferenceEquals(old, worker))
                continue;
            moved |= old.FacadePort != worker.FacadePort || old.Phase != worker.Phase;
            if (old.Epoch != worker.Epoch)
                lines.Add(() => log.Restarted(worker.Id, worker.Epoch));
            if (old.Phase != worker.Phase)
            {
                lines.Add(() => log.PhaseChanged(
                    worker.Role, worker.Id, worker.Epoch, old.Phase, worker.Phase, worker.Reason is { } why ? $": {why}" : ""));
            }
            if (worker.Facts.Role is { } reported && reported != worker.Role && old.Facts.Role != reported)
                lines.Add(() => log.RoleDiffers(worker.Id, reported, worker.Role));
        }
        return moved;
    }

    /// <summary>
    /// The same worker in the snapshot before. Both are in order of registration, so it has the same index or, if workers were
    /// removed, a higher one; starting there makes the comparison linear in the number of workers.
    /// </summary>
    private static WorkerSnapshot? Former(FleetSnapshot before, WorkerSnapshot worker, int index)
    {
        for (var i = index; i < before.Workers.Length; i++)
        {
            if (before.Workers[i].Id == worker.Id)
                return before.Workers[i];
        }
        return null;
    }
}
