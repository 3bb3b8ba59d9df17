namespace OrleansPd.Server.Settings;

/// <summary>The names of log levels in the router and in .NET.</summary>
internal static class LogLevels
{
    /// <summary>The name in .NET; null if there is no such level.</summary>
    public static string? Parse(string level) => level.ToLowerInvariant() switch
    {
        "trace" => "Trace",
        "debug" => "Debug",
        "info" or "information" => "Information",
        "warn" or "warning" => "Warning",
        "error" => "Error",
        "critical" => "Critical",
        "none" => "None",
        _ => null,
    };
}
