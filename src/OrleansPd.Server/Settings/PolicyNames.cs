namespace OrleansPd.Server.Settings;

/// <summary>The policies there are.</summary>
internal static class PolicyNames
{
    public static IReadOnlyList<string> All { get; } =
        ["random", "round_robin", "power_of_two", "least_load", "cache_aware", "consistent_hashing", "session"];

    /// <summary>Null if it is one of them, else what to say after the value.</summary>
    public static string? Problem(string name)
    {
        if (All.Contains(name, StringComparer.Ordinal))
        {
            return null;
        }

        var nearest = name switch
        {
            "bucket" => " (nearest to the router's bucket: least_load)",
            "manual" => " (nearest to the router's manual: session)",
            "prefix_hash" => " (nearest to the router's prefix_hash: cache_aware)",
            _ => "",
        };
        return $"is none of {string.Join(", ", All)}{nearest}";
    }
}
