namespace OrleansPd.Gateway.Management;

internal static partial class Log
{
    [LoggerMessage(5, LogLevel.Warning, "The room table does not answer: {Reason}")]
    public static partial void RoomTableUnavailable(ILogger logger, string reason);
}
