using System.Collections;
using System.Reflection;

namespace OrleansPd.Server.Settings;

/// <summary>Which configuration keys exist: the sections and the properties of their options.</summary>
internal static class SettingPath
{
    private static readonly Dictionary<string, Type> OptionsBySection =
        Sections.All.ToDictionary(
            section => section.Name, section => section.Defaults.GetType(), StringComparer.OrdinalIgnoreCase);

    public static bool IsSection(string key) => OptionsBySection.ContainsKey(key.Split(':')[0]);

    /// <summary>Whether a key such as <c>ControlPlane:Workers:0:Url</c> names something that can be set.</summary>
    public static bool Exists(string key)
    {
        if (IsLogging(key))
            return true;
        var segments = key.Split(':');
        var type = OptionsBySection.GetValueOrDefault(segments[0]);
        foreach (var segment in segments.Skip(1))
        {
            if (type is null)
                return false;
            type = ElementOf(type) is { } element
                ? int.TryParse(segment, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? element : null
                : type.GetProperty(segment, BindingFlags.Instance | BindingFlags.Public | BindingFlags.IgnoreCase)?.PropertyType;
        }
        return type is not null && segments.Length > 1;
    }

    /// <summary>.NET reads more settings there, such as a level for each category.</summary>
    private static bool IsLogging(string key) => key.StartsWith(Sections.Logging + ":", StringComparison.OrdinalIgnoreCase);

    private static Type? ElementOf(Type type) => type != typeof(string) && typeof(IEnumerable).IsAssignableFrom(type)
            ? type.IsArray ? type.GetElementType() : type.GetGenericArguments().FirstOrDefault()
            : null;
}
