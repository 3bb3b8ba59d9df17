namespace OrleansPd.Server.Settings;

/// <summary>The router's words for log levels, and .NET's.</summary>
internal static class LogLevels
{
    /// <summary>The name .NET uses; null if it is no level.</summary>
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
