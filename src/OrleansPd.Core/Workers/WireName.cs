using System.Collections.Frozen;

namespace OrleansPd.Core.Workers;

/// <summary>
/// The name of an enum member in JSON, metric labels and command lines: snake case, so <c>RegularBusy</c> is <c>regular_busy</c>.
/// Names are computed once for each enum; a lookup does not allocate.
/// </summary>
public static class WireName
{
    /// <exception cref="ArgumentOutOfRangeException">The enum has no member of this value.</exception>
    public static string Of<T>(T value)
        where T : struct, Enum => Names<T>.ByValue.TryGetValue(value, out var name)
            ? name
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"not a member of {typeof(T).Name}");

    /// <summary>Reads a name exactly as <see cref="Of"/> writes it. False: the enum has no such member.</summary>
    public static bool TryParse<T>(string? name, out T value)
        where T : struct, Enum
    {
        value = default;
        return name is not null && Names<T>.ByName.TryGetValue(name, out value);
    }

    private static class Names<T>
        where T : struct, Enum
    {
        public static FrozenDictionary<T, string> ByValue { get; } = Enum.GetValues<T>()
            .ToFrozenDictionary(value => value, value => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()));

        public static FrozenDictionary<string, T> ByName { get; } =
            ByValue.ToFrozenDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);
    }
}
