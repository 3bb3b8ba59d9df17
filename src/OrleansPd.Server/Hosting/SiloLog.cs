using Microsoft.Extensions.Configuration;

namespace OrleansPd.Server.Hosting;

/// <summary>The log of a process that is a silo.</summary>
internal static class SiloLog
{
    /// <summary>
    /// One line per event. Orleans' own messages below Error need <c>--log-level debug</c>: they repeat with each probe and each
    /// read of the membership table, with stack traces. The Redis backend logs what an operator must know of them, once each:
    /// votes, deaths, a Redis that does not answer. Orleans itself logs, at most every ten seconds, that this silo's process is
    /// too slow.
    /// </summary>
    public static Action<ILoggingBuilder> For(IConfiguration settings) => logging =>
    {
        if (settings["LogLevel:Default"] is not ("Trace" or "Debug"))
        {
            logging.AddFilter("Orleans.", LogLevel.Error);
            logging.AddFilter("Orleans.Runtime.MembershipService.LocalSiloHealthMonitor", LogLevel.Warning);
            // A message to a silo that is dead but not declared so yet cannot be delivered; its sender gets the error and logs
            // it.
            logging.AddFilter("Orleans.Messaging", LogLevel.Critical);
        }
        ConsoleLog.Configure(logging, settings);
    };
}
