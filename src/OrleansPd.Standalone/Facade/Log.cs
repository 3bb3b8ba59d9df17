namespace OrleansPd.Standalone.Facade;

internal static partial class Log
{
    [LoggerMessage(2006, LogLevel.Information,
        "The bootstrap server of prefill {Worker} (epoch {Epoch}) is available to decode engines at {Host}:{Port}")]
    public static partial void FacadeOpened(this ILogger logger, WorkerId worker, long epoch, string host, int port);

    [LoggerMessage(2007, LogLevel.Information,
        "Prefill {Worker} (epoch {Epoch}) has ended; {Host}:{Port} answers 503 for 60 s so that decode engines drop it")]
    public static partial void FacadeFenced(this ILogger logger, WorkerId worker, long epoch, string host, int port);

    [LoggerMessage(2008, LogLevel.Error,
        "No port of --facade-port-range is free for prefill {Worker}; it gets no requests until then; "
        + "retried every 2 s")]
    public static partial void NoFacadePort(this ILogger logger, WorkerId worker);
}
