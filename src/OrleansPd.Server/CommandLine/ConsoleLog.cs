using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Console;

namespace OrleansPd.Server.CommandLine;

/// <summary>
/// The log on standard error, one line per event, by the console loggers of .NET. A thread of theirs writes it from a bounded
/// queue; when the reader of a pipe stops reading, lines are dropped and requests go on.
/// </summary>
internal static class ConsoleLog
{
    private const string Timestamp = "yyyy-MM-dd HH:mm:ss.fff'Z' ";
    private const int QueuedLines = 10_000;

    public static void Configure(ILoggingBuilder logging, IConfiguration settings)
    {
        // Lines of the web server help its developers; --log-level debug shows them too.
        if (settings["LogLevel:Default"] is not (nameof(LogLevel.Trace) or nameof(LogLevel.Debug)))
        {
            logging.AddFilter("Microsoft", LogLevel.Warning);
            // Why a host does not start is also thrown, and shown as one sentence.
            logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        }
        logging.AddConfiguration(settings);
        if ("json".Equals(settings["Format"], StringComparison.OrdinalIgnoreCase))
        {
            logging.AddJsonConsole(json => (json.TimestampFormat, json.UseUtcTimestamp) = (Timestamp.TrimEnd(), true));
        }
        else
        {
            logging.AddSimpleConsole(text =>
            {
                (text.TimestampFormat, text.UseUtcTimestamp, text.SingleLine) = (Timestamp, true, true);
                text.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
            });
        }
        logging.Services.Configure<ConsoleLoggerOptions>(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            console.MaxQueueLength = QueuedLines;
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
    }
}
