namespace OrleansPd.Server.Redis;

internal static partial class Log
{
    [LoggerMessage(
        4001, LogLevel.Warning, "Redis has lost the membership table or part of it; restored {Rows} rows, version {Version}")]
    public static partial void MembershipRestored(ILogger logger, int rows, int version);

    [LoggerMessage(4002, LogLevel.Debug, "Redis does not answer: {Reason}")]
    public static partial void RedisAway(ILogger logger, string reason);

    [LoggerMessage(
        4003, LogLevel.Information,
        "Redis has just started and has no cluster {Cluster}; waiting {Seconds} s for silos that may still run")]
    public static partial void AwaitingSilos(ILogger logger, string cluster, int seconds);

    [LoggerMessage(
        4004, LogLevel.Warning,
        "Silo {Endpoint} ({Name}) does not answer probes; this silo voted to declare it dead (votes so far: {Votes})")]
    public static partial void SiloSuspected(ILogger logger, IPEndPoint endpoint, string name, int votes);

    [LoggerMessage(4005, LogLevel.Warning, "This silo declared silo {Endpoint} ({Name}) dead")]
    public static partial void SiloDeclaredDead(ILogger logger, IPEndPoint endpoint, string name);

    [LoggerMessage(
        4006, LogLevel.Warning,
        "Redis does not answer; running silos continue, but no silo can join and none can be declared dead: {Reason}")]
    public static partial void RedisLost(ILogger logger, string reason);

    [LoggerMessage(4007, LogLevel.Information, "Redis answers again")]
    public static partial void RedisBack(ILogger logger);
}
