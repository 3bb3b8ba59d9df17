using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using OrleansPd.Server.CommandLine;

namespace OrleansPd.Server.Hosting;

/// <summary>The log of a process that is a silo.</summary>
internal static class SiloLog
{
    /// <summary>One line for each event. Orleans' own messages are shown with <c>--log-level debug</c> too.</summary>
    public static Action<ILoggingBuilder> For(IConfiguration settings) => logging =>
    {
        if (settings["LogLevel:Default"] is not ("Trace" or "Debug"))
        {
            logging.AddFilter("Orleans.", LogLevel.Error);
            // A message to a silo that is dead but not yet declared dead cannot be delivered. Its sender gets the error and logs
            // it once.
            logging.AddFilter("Orleans.Messaging", LogLevel.Critical);
        }
        ConsoleLog.Configure(logging, settings);
    };
}
