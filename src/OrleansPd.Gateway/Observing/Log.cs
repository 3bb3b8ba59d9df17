namespace OrleansPd.Gateway.Observing;

internal static partial class Log
{
    [LoggerMessage(4, LogLevel.Warning, "GET {Path} on {Engine} failed: {Reason}")]
    public static partial void EngineQueryFailed(ILogger logger, Uri engine, string path, string reason);
}
