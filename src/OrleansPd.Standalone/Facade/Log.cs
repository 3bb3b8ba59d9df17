using Microsoft.Extensions.Logging;
using OrleansPd.Core.Workers;

namespace OrleansPd.Standalone.Facade;

internal static partial class Log
{
    [LoggerMessage(2006, LogLevel.Information, "Decode engines reach prefill {Worker} (epoch {Epoch}) at {Host}:{Port}")]
    public static partial void FacadeOpened(this ILogger logger, WorkerId worker, long epoch, string host, int port);

    [LoggerMessage(2007, LogLevel.Information,
        "Prefill {Worker} (epoch {Epoch}) is over: {Host}:{Port} says so to decode engines")]
    public static partial void FacadeFenced(this ILogger logger, WorkerId worker, long epoch, string host, int port);

    [LoggerMessage(2008, LogLevel.Error,
        "No port of the facade's range is free for prefill {Worker}, which can therefore not serve")]
    public static partial void NoFacadePort(this ILogger logger, WorkerId worker);
}
