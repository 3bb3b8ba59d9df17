using Microsoft.Extensions.Logging;

namespace OrleansPd.Server.Redis;

internal static partial class Log
{
    [LoggerMessage(4001, LogLevel.Warning, "Redis has lost the membership table; {Silos} silos are stored again from memory")]
    public static partial void MembershipPutBack(ILogger logger, int silos);

    [LoggerMessage(4002, LogLevel.Debug, "Redis does not answer now: {Reason}")]
    public static partial void RedisAway(ILogger logger, string reason);

    [LoggerMessage(
        4003, LogLevel.Information,
        "Redis has just started and knows no cluster {Cluster}; waiting {Seconds} s for silos that run")]
    public static partial void AwaitingSilos(ILogger logger, string cluster, int seconds);
}
