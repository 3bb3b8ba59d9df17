using Microsoft.Extensions.Logging;

namespace OrleansPd.Silo;

internal static partial class SiloLog
{
    [LoggerMessage(4001, LogLevel.Error, "Redis came back empty; the membership of {Count} silos was put back as it was")]
    public static partial void MembershipRestored(ILogger logger, int count);
}
