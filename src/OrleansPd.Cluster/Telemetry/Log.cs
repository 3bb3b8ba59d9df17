using Microsoft.Extensions.Logging;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Telemetry;

internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Warning, "Worker {Worker}: {Count} requests of the dead gateway {Gateway} are aborted")]
    public static partial void Aborting(ILogger logger, WorkerId worker, int count, string gateway);

    [LoggerMessage(3002, LogLevel.Warning, "Worker {Worker}: its pool was not told, and will be: {Reason}")]
    public static partial void NotTold(ILogger logger, WorkerId worker, string reason);

    [LoggerMessage(3003, LogLevel.Critical, "Worker {Worker}: a loop of its writer ended")]
    public static partial void LoopDied(ILogger logger, Exception exception, WorkerId worker);

    [LoggerMessage(3004, LogLevel.Debug, "Worker {Worker}: {Partner} has not answered, so there is no trial now: {Reason}")]
    public static partial void NoPartner(ILogger logger, WorkerId worker, WorkerId partner, string reason);

    [LoggerMessage(3005, LogLevel.Debug, "The place of a trial was not given back, and runs out: {Reason}")]
    public static partial void NotReturned(ILogger logger, string reason);

    [LoggerMessage(3006, LogLevel.Information, "Gateway {Gateway} has joined with prefix {Prefix}")]
    public static partial void Joined(ILogger logger, string gateway, int prefix);

    [LoggerMessage(3007, LogLevel.Warning, "The fleet does not answer; this gateway goes on with what it knows: {Reason}")]
    public static partial void FleetAway(ILogger logger, string reason);

    [LoggerMessage(3008, LogLevel.Information, "{Role} worker {Worker} (epoch {Epoch}): {Old} -> {New}. {Reason}")]
    public static partial void PhaseChanged(
        ILogger logger, WorkerRole role, WorkerId worker, long epoch, WorkerPhase? old, WorkerPhase @new, string? reason);

    [LoggerMessage(3009, LogLevel.Warning, "Gateway {Gateway} is dead; {Count} requests of it that were known here are aborted")]
    public static partial void GatewayDied(ILogger logger, string gateway, int count);

    [LoggerMessage(3017, LogLevel.Information, "Gateway {Gateway} is gone; no request of it was known here")]
    public static partial void GatewayGone(ILogger logger, string gateway);

    [LoggerMessage(3018, LogLevel.Information, "The fleet answers again")]
    public static partial void FleetBack(ILogger logger);

    [LoggerMessage(3016, LogLevel.Debug, "No other silo remembers now what this gateway has in flight: {Reason}")]
    public static partial void NoWitness(ILogger logger, string reason);

    [LoggerMessage(3010, LogLevel.Critical, "A loop of the cluster's control plane ended: {Loop}")]
    public static partial void PlaneLoopDied(ILogger logger, Exception exception, string loop);

    [LoggerMessage(3011, LogLevel.Debug, "The writer of worker {Worker} does not answer: {Reason}")]
    public static partial void WriterAway(ILogger logger, WorkerId worker, string reason);

    [LoggerMessage(3012, LogLevel.Warning, "{What} is not stored, and will be: {Reason}")]
    public static partial void NotStored(ILogger logger, string what, string reason);

    [LoggerMessage(3014, LogLevel.Information, "Worker {Worker} is now a {Role} worker")]
    public static partial void RoleSwitched(ILogger logger, WorkerId worker, WorkerRole role);

    [LoggerMessage(3015, LogLevel.Warning, "Worker {Worker} did not become a {Role} worker: {Reason}")]
    public static partial void RoleNotSwitched(ILogger logger, WorkerId worker, WorkerRole role, string? reason);

    [LoggerMessage(3019, LogLevel.Information, "The writer of worker {Worker} moves to a silo nearer to its engine")]
    public static partial void Moves(ILogger logger, WorkerId worker);

    [LoggerMessage(3013, LogLevel.Warning, "{What} was lost from storage and is stored again from memory")]
    public static partial void StoredAgain(ILogger logger, string what);
}
