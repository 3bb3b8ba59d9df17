namespace OrleansPd.Gateway.Transport;

internal static partial class Log
{
    [LoggerMessage(6, LogLevel.Error, "A connection was closed because the code that waited for it failed")]
    public static partial void ConnectionFailed(ILogger logger, Exception exception);
}
