using System.Collections;
using System.Globalization;
using System.Reflection;
using OrleansPd.Core.Options;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Server.Settings;

/// <summary>Which configuration keys exist: the sections and the properties of their options classes.</summary>
/// <param name="more">Sections of another program, beside the gateway's.</param>
internal sealed class SettingPath(params (string Name, Type Options)[] more)
{
    private readonly Dictionary<string, Type> _sections =
        more.Append(("Gateway", typeof(GatewayOptions))).Append(("ControlPlane", typeof(ControlPlaneOptions)))
            .ToDictionary(section => section.Item1, section => section.Item2, StringComparer.OrdinalIgnoreCase);

    public bool IsSection(string key) => _sections.ContainsKey(key.Split(':')[0]) || IsLogging(key);

    /// <summary>Whether a key such as <c>ControlPlane:Workers:0:Url</c> names something that can be set.</summary>
    public bool Exists(string key)
    {
        if (IsLogging(key))
        {
            return true;
        }

        var segments = key.Split(':');
        var type = _sections.GetValueOrDefault(segments[0]);
        foreach (var segment in segments.Skip(1))
        {
            if (type is null)
            {
                return false;
            }

            type = ElementOf(type) is { } element
                ? int.TryParse(segment, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? element : null
                : type.GetProperty(segment, BindingFlags.Instance | BindingFlags.Public | BindingFlags.IgnoreCase)?.PropertyType;
        }

        return type is not null && segments.Length > 1;
    }

    private static bool IsLogging(string key) => key.StartsWith("Logging:", StringComparison.OrdinalIgnoreCase);

    private static Type? ElementOf(Type type) =>
        type != typeof(string) && typeof(IEnumerable).IsAssignableFrom(type)
            ? type.IsArray ? type.GetElementType() : type.GetGenericArguments().FirstOrDefault()
            : null;
}
