namespace OrleansPd.Server.Settings;

/// <summary>
/// The flags of <c>orleanspd gateway</c>, collected from the options. Names and meanings are those of the SGLang router, so that
/// its users can switch by changing the command; additional flags are marked [ours].
/// </summary>
internal static class GatewayFlags
{
    public static IReadOnlyList<GatewayFlag> All { get; } =
        [.. Sections.All.SelectMany(section => GatewayFlag.Of(section.Name, section.Defaults))];

    public static IEnumerable<(string Title, IReadOnlyList<GatewayFlag> Flags)> Groups =>
        All.GroupBy(flag => flag.Group).OrderBy(group => group.Key)
            .Select(group => (Title(group.Key), (IReadOnlyList<GatewayFlag>)[.. group]));

    /// <summary>The flag of a configuration key, or the key itself if it has none.</summary>
    public static string NameOf(string key) =>
        All.FirstOrDefault(flag => flag.Key.Equals(key, StringComparison.OrdinalIgnoreCase))?.Display ?? key;

    /// <summary><c>ChoosingEngines</c> is "Choosing engines".</summary>
    private static string Title(FlagGroup group) => string.Concat(group.ToString().Select((letter, i) =>
        i > 0 && char.IsUpper(letter) ? " " + char.ToLowerInvariant(letter) : letter.ToString()));
}
