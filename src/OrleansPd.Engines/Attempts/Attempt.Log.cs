using Microsoft.Extensions.Logging;

namespace OrleansPd.Engines.Attempts;

internal sealed partial class Attempt
{
    private static partial class Log
    {
        [LoggerMessage(5001, LogLevel.Error, "Request {RequestId}: an exception in the gateway ended the {Side} leg")]
        public static partial void LegFailed(ILogger logger, Exception exception, string? requestId, LegSide side);

        [LoggerMessage(5002, LogLevel.Debug, "Request {RequestId}: a further exception in the gateway ended the {Side} leg")]
        public static partial void LegFailedAgain(ILogger logger, Exception exception, string? requestId, LegSide side);
    }
}
