namespace OrleansPd.Cluster.Telemetry;

internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Warning,
        "Worker {Worker}: aborting {Count} requests of the dead gateway {Gateway} on its engine; their capacity is free "
            + "afterwards")]
    public static partial void Aborting(ILogger logger, WorkerId worker, int count, string gateway);

    [LoggerMessage(3002, LogLevel.Warning,
        "Worker {Worker}: the report to its pool failed and is retried every 100 ms; gateways see the old state: {Reason}")]
    public static partial void NotReported(ILogger logger, WorkerId worker, string reason);

    [LoggerMessage(3003, LogLevel.Critical,
        "Worker {Worker}: loop '{Loop}' of its grain failed; the grain ends and its pool activates it again")]
    public static partial void LoopDied(ILogger logger, Exception exception, WorkerId worker, string loop);

    [LoggerMessage(3004, LogLevel.Debug,
        "Worker {Worker}: no readiness check now, its partner {Partner} did not answer: {Reason}")]
    public static partial void NoPartner(ILogger logger, WorkerId worker, WorkerId partner, string reason);

    [LoggerMessage(3005, LogLevel.Debug,
        "The credit of a readiness check was not returned and expires after CreditSecs: {Reason}")]
    public static partial void NotReturned(ILogger logger, string reason);

    [LoggerMessage(3006, LogLevel.Information, "Gateway {Gateway} has joined the cluster with room prefix {Prefix}")]
    public static partial void Joined(ILogger logger, string gateway, int prefix);

    [LoggerMessage(3007, LogLevel.Warning,
        "The fleet grain does not answer; this gateway continues with the last known fleet and retries: {Reason}")]
    public static partial void FleetAway(ILogger logger, string reason);

    [LoggerMessage(3008, LogLevel.Information, "{Role} worker {Worker} (epoch {Epoch}): {Old} -> {New}. {Reason}")]
    public static partial void PhaseChanged(
        ILogger logger, WorkerRole role, WorkerId worker, long epoch, WorkerPhase? old, WorkerPhase @new, string? reason);

    [LoggerMessage(3009, LogLevel.Warning,
        "Aborting {Count} requests that the dead gateway {Gateway} had reported to this silo")]
    public static partial void AbortingReported(ILogger logger, string gateway, int count);

    [LoggerMessage(3017, LogLevel.Warning, "Gateway {Gateway} was declared dead; its credits are released")]
    public static partial void GatewayDead(ILogger logger, string gateway);

    [LoggerMessage(3018, LogLevel.Information, "The fleet grain answers again, after {Seconds} s")]
    public static partial void FleetBack(ILogger logger, long seconds);

    [LoggerMessage(3016, LogLevel.Debug,
        "The report of requests in flight to another silo failed and is retried: {Reason}")]
    public static partial void NoWitness(ILogger logger, string reason);

    [LoggerMessage(3010, LogLevel.Critical, "The control plane's loop '{Loop}' failed; this process shuts down")]
    public static partial void PlaneLoopDied(ILogger logger, Exception exception, string loop);

    [LoggerMessage(3011, LogLevel.Debug, "The grain of worker {Worker} does not answer: {Reason}")]
    public static partial void WriterAway(ILogger logger, WorkerId worker, string reason);

    [LoggerMessage(3012, LogLevel.Warning, "{What} could not be stored; the next change or sweep retries: {Reason}")]
    public static partial void NotStored(ILogger logger, string what, string reason);

    [LoggerMessage(3014, LogLevel.Information, "Worker {Worker} has switched its role and is now a {Role} worker")]
    public static partial void RoleSwitched(ILogger logger, WorkerId worker, WorkerRole role);

    [LoggerMessage(3015, LogLevel.Warning, "Worker {Worker} did not become a {Role} worker and keeps its role: {Reason}")]
    public static partial void RoleNotSwitched(ILogger logger, WorkerId worker, WorkerRole role, string? reason);

    [LoggerMessage(3019, LogLevel.Information, "The grain of worker {Worker} moves to a silo nearer to its engine")]
    public static partial void Moves(ILogger logger, WorkerId worker);

    [LoggerMessage(3013, LogLevel.Warning, "{What} was lost from storage and has been stored again from memory")]
    public static partial void StoredAgain(ILogger logger, string what);

    [LoggerMessage(3020, LogLevel.Warning, "{Count} log lines were dropped because the log could not keep up")]
    public static partial void LinesDropped(ILogger logger, long count);

    [LoggerMessage(3021, LogLevel.Information, "Worker {Worker} is no longer a member of its pool; its grain ends")]
    public static partial void WriterEnds(ILogger logger, WorkerId worker);
}
