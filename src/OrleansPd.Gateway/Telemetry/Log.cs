using Microsoft.Extensions.Logging;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>What the gateway writes to its log: one line per change of state, none per token.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "Request {RequestId} failed inside the gateway")]
    public static partial void RequestFailed(ILogger logger, Exception exception, string requestId);

    [LoggerMessage(2, LogLevel.Information, "Gateway listens on {Url}")]
    public static partial void Listening(ILogger logger, Uri url);

    [LoggerMessage(3, LogLevel.Information, "Gateway stops: {Active} requests in flight")]
    public static partial void Stopping(ILogger logger, int active);

    [LoggerMessage(4, LogLevel.Warning, "Asking {Engine} for {Path} failed: {Reason}")]
    public static partial void InfoFailed(ILogger logger, Uri engine, string path, string reason);

    [LoggerMessage(5, LogLevel.Warning, "The room table does not answer: {Reason}")]
    public static partial void RoomsAway(ILogger logger, string reason);

    [LoggerMessage(6, LogLevel.Error, "A connection was closed because the code that waited for it failed")]
    public static partial void ConnectionFailed(ILogger logger, Exception exception);
}
