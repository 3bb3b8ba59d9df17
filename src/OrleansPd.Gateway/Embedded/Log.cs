using Microsoft.Extensions.Logging;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Gateway.Embedded;

internal static partial class Log
{
    [LoggerMessage(2001, LogLevel.Information, "{Role} worker {Worker} (epoch {Epoch}): {Old} -> {New}. {Reason}")]
    public static partial void PhaseChanged(
        this ILogger logger, WorkerRole role, WorkerId worker, long epoch, WorkerPhase old, WorkerPhase @new, string? reason);

    [LoggerMessage(2002, LogLevel.Warning, "Worker {Worker} was restarted; epoch {Epoch}")]
    public static partial void Restarted(this ILogger logger, WorkerId worker, long epoch);

    [LoggerMessage(2003, LogLevel.Critical, "The control plane's loop ended: {Loop}")]
    public static partial void LoopDied(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2004, LogLevel.Warning, "Worker {Worker} says it is a {Told}, but was registered as a {Role}")]
    public static partial void RoleDiffers(this ILogger logger, WorkerId worker, WorkerRole told, WorkerRole role);

    [LoggerMessage(2005, LogLevel.Warning, "Rank {Rank} of {Prefill} was registered for room {Room}, which is another's: {Owner}")]
    public static partial void RoomConflict(this ILogger logger, long room, int rank, WorkerId? prefill, RoomOwner? owner);
}
