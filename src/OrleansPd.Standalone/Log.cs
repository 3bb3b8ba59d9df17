using Microsoft.Extensions.Logging;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Standalone;

internal static partial class Log
{
    [LoggerMessage(2001, LogLevel.Information, "{Role} worker {Worker} (epoch {Epoch}): {Old} -> {New}{Why}")]
    public static partial void PhaseChanged(
        this ILogger logger, WorkerRole role, WorkerId worker, long epoch, WorkerPhase old, WorkerPhase @new, string why);

    [LoggerMessage(2002, LogLevel.Warning, "Worker {Worker} was restarted; epoch {Epoch}")]
    public static partial void Restarted(this ILogger logger, WorkerId worker, long epoch);

    [LoggerMessage(2003, LogLevel.Critical, "The control plane's loop ended: {Loop}")]
    public static partial void LoopDied(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2004, LogLevel.Warning, "Worker {Worker} says it is a {Told}, but was registered as a {Role}")]
    public static partial void RoleDiffers(this ILogger logger, WorkerId worker, WorkerRole told, WorkerRole role);

    [LoggerMessage(2005, LogLevel.Warning,
        "Rank {Rank} of {Prefill} was registered for room {Room}, which is another's: {Owner}")]
    public static partial void RoomConflict(this ILogger logger, long room, int rank, WorkerId? prefill, RoomOwner? owner);

    [LoggerMessage(2009, LogLevel.Information, "Worker {Worker} is gone")]
    public static partial void Removed(this ILogger logger, WorkerId worker);

    [LoggerMessage(2010, LogLevel.Information, "{Role} worker {Worker} was added")]
    public static partial void Added(this ILogger logger, WorkerRole role, WorkerId worker);

    [LoggerMessage(2011, LogLevel.Information, "Worker {Worker} is now a {Role} worker")]
    public static partial void RoleSwitched(this ILogger logger, WorkerId worker, WorkerRole role);

    [LoggerMessage(2012, LogLevel.Warning, "Worker {Worker} did not become a {Role} worker: {Reason}")]
    public static partial void RoleNotSwitched(this ILogger logger, WorkerId worker, WorkerRole role, string? reason);
}
