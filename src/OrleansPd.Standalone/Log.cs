namespace OrleansPd.Standalone;

internal static partial class Log
{
    [LoggerMessage(2001, LogLevel.Information, "{Role} worker {Worker} (epoch {Epoch}): {Old} -> {New}{Why}")]
    public static partial void PhaseChanged(
        this ILogger logger, WorkerRole role, WorkerId worker, long epoch, WorkerPhase old, WorkerPhase @new, string why);

    [LoggerMessage(2002, LogLevel.Warning,
        "The engine of worker {Worker} was restarted (epoch {Epoch}); it gets requests again after a readiness check")]
    public static partial void Restarted(this ILogger logger, WorkerId worker, long epoch);

    [LoggerMessage(2003, LogLevel.Critical, "The control plane's loop '{Loop}' failed; the gateway shuts down")]
    public static partial void LoopDied(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2004, LogLevel.Warning,
        "The engine of worker {Worker} reports the role {Reported}, but the worker is registered as {Role}")]
    public static partial void RoleDiffers(this ILogger logger, WorkerId worker, WorkerRole reported, WorkerRole role);

    [LoggerMessage(2005, LogLevel.Warning,
        "Rejected rank {Rank} of prefill {Prefill} for room {Room}: the room belongs to {Owner}")]
    public static partial void RoomConflict(this ILogger logger, long room, int rank, WorkerId? prefill, RoomOwner? owner);

    [LoggerMessage(2009, LogLevel.Information, "Worker {Worker} was removed")]
    public static partial void Removed(this ILogger logger, WorkerId worker);

    [LoggerMessage(2010, LogLevel.Information, "{Role} worker {Worker} was added; it gets requests after a readiness check")]
    public static partial void Added(this ILogger logger, WorkerRole role, WorkerId worker);

    [LoggerMessage(2011, LogLevel.Information, "Worker {Worker} has switched its role and is now a {Role} worker")]
    public static partial void RoleSwitched(this ILogger logger, WorkerId worker, WorkerRole role);

    [LoggerMessage(2012, LogLevel.Warning,
        "Worker {Worker} did not become a {Role} worker and keeps its role: {Reason}")]
    public static partial void RoleNotSwitched(this ILogger logger, WorkerId worker, WorkerRole role, string? reason);

    [LoggerMessage(2013, LogLevel.Warning, "{Count} log lines were dropped because the log could not keep up")]
    public static partial void LinesDropped(this ILogger logger, long count);
}
