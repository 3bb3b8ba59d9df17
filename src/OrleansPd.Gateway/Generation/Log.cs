namespace OrleansPd.Gateway.Generation;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "Request {RequestId} failed inside the gateway")]
    public static partial void RequestFailed(ILogger logger, Exception exception, string requestId);
}
