namespace OrleansPd.Server.Settings;

/// <summary>What the log shows. Configuration section <c>Logging</c>, which has the usual settings of .NET too.</summary>
internal sealed class LogOptions
{
    [Flag(FlagGroup.Logs, "FORMAT", "Format of the log: text, or json (one object per line).", Name = "log-format", Ours = true)]
    public LogFormat Format { get; set; } = LogFormat.Text;

    [Flag(FlagGroup.Logs, "LEVEL", "debug, info, warn or error.", Name = "log-level", Key = "LogLevel:Default", Default = "info")]
    public LogLevel Level { get; set; } = LogLevel.Information;
}

internal enum LogFormat
{
    Text,
    Json,
}
