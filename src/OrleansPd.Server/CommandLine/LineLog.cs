using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace OrleansPd.Server.CommandLine;

/// <summary>A log of one line per event: time, level, what happened. Only what is unforeseen has more lines.</summary>
internal sealed class LineLog(TextWriter output, TimeProvider time, bool json) : ILoggerProvider
{
    private readonly TextWriter _output = TextWriter.Synchronized(output);

    public static void Configure(ILoggingBuilder logging, IConfiguration settings, TextWriter output, TimeProvider time)
    {
        // The web server's own lines are of use to its developers; --log-level debug shows them too.
        if (settings["LogLevel:Default"] is not ("Trace" or "Debug"))
        {
            logging.AddFilter("Microsoft", LogLevel.Warning);
            // Why a host does not start is thrown as well, and told in a sentence.
            logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        }

        logging.AddConfiguration(settings);
        logging.AddProvider(new LineLog(output, time, settings["Format"] == "json"));
    }

    public ILogger CreateLogger(string categoryName) => new Lines(this, categoryName);

    private bool IsJson => json;

    private DateTimeOffset Now => time.GetUtcNow();

    public void Dispose()
    {
    }

    private void Write(LogLevel level, string message, Exception? error)
    {
        var word = level switch
        {
            LogLevel.Trace => "trace",
            LogLevel.Debug => "debug",
            LogLevel.Information => "info ",
            LogLevel.Warning => "warn ",
            LogLevel.Error => "error",
            _ => "fatal",
        };
        var now = time.GetUtcNow().ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        _output.WriteLine(error is null ? $"{now} {word} {message}" : $"{now} {word} {message}{Environment.NewLine}{error}");
    }

    private sealed class Lines(LineLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (log.IsJson)
            {
                log._output.WriteLine(
                    JsonLine.Of(log.Now, logLevel, category, eventId, formatter(
                        state, exception), state as IReadOnlyList<KeyValuePair<string, object?>>, exception));
            }
            else
            {
                log.Write(logLevel, formatter(state, exception), exception);
            }
        }
    }
}
