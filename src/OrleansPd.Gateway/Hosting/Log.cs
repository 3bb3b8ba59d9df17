namespace OrleansPd.Gateway.Hosting;

internal static partial class Log
{
    [LoggerMessage(2, LogLevel.Information, "Gateway listens on {Url}")]
    public static partial void Listening(ILogger logger, Uri url);

    [LoggerMessage(3, LogLevel.Information, "Gateway stops: {Active} requests in flight")]
    public static partial void Stopping(ILogger logger, int active);
}
