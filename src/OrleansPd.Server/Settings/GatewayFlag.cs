using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using OrleansPd.Core.Policies;

namespace OrleansPd.Server.Settings;

/// <summary>A flag of <c>orleanspd gateway</c>, as the attributes of its option define it.</summary>
internal sealed record GatewayFlag
{
    private const string PolicyValue = "POLICY";
    private readonly Type _type;

    private GatewayFlag(string section, PropertyInfo property, FlagAttribute flag, object defaults)
    {
        var initial = property.GetValue(defaults);
        _type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        (Section, Group, Value, Key) = (section, flag.Group, flag.Value, $"{section}:{flag.Key ?? property.Name}");
        Name = flag.Name ?? Kebab(property.Name);
        IsSwitch = _type == typeof(bool);
        Default = flag.Default ?? Text(initial);
        Range = property.GetCustomAttribute<RangeAttribute>() is { } range ? Limits(range) : "";
        Meaning = (flag.Ours ? "[ours] " : "") + flag.Help.Replace("{policies}", PolicyTable.NameList, StringComparison.Ordinal);
    }

    public string Section { get; }
    public FlagGroup Group { get; }
    public string Name { get; private init; }

    public string Display => $"--{Name}";

    /// <summary>Configuration key of the setting.</summary>
    public string Key { get; }

    /// <summary>Name of the value in the help; empty for switches.</summary>
    public string Value { get; private init; }

    public bool IsSwitch { get; private init; }
    public bool IsList => _type != typeof(string) && typeof(IEnumerable).IsAssignableFrom(_type);

    /// <summary>For a switch whose setting is not a switch: the value it sets.</summary>
    public string? Sets { get; private init; }

    public string Default { get; private init; }

    /// <summary>Such as <c>0-65535</c>; empty where every value is allowed.</summary>
    public string Range { get; private init; }

    /// <summary>What it does, without the default.</summary>
    public string Meaning { get; private init; }

    private string Help => IsSwitch ? Meaning : $"{Meaning} Default {Default}.";

    /// <summary>The flags of an options class, in the order of its properties.</summary>
    public static IEnumerable<GatewayFlag> Of(string section, object defaults)
    {
        foreach (var property in defaults.GetType().GetProperties())
        {
            if (property.GetCustomAttribute<FlagAttribute>() is not { } attribute)
                continue;
            var flag = new GatewayFlag(section, property, attribute, defaults);
            yield return flag;
            if (property.GetCustomAttribute<SwitchFlagAttribute>() is { } shortcut)
            {
                yield return flag with
                {
                    Name = shortcut.Name,
                    Meaning = shortcut.Help,
                    Sets = shortcut.Sets,
                    IsSwitch = true,
                    Value = "",
                    Default = "",
                    Range = "",
                };
            }
        }
    }

    public Option CreateOption() => IsSwitch ? new Option<bool>(Display) { Description = Help }
        : IsList ? new Option<string[]>(Display)
        {
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.ZeroOrMore,
            Description = Help,
            HelpName = Value,
        }
        : new Option<string>(Display) { Description = Help, HelpName = Value };

    /// <summary>Null if a value has the right form; else the rest of a sentence that begins with the value.</summary>
    public string? Problem(string value)
    {
        if (Sets is not null)
            return null;
        if (_type == typeof(int) || _type == typeof(long))
        {
            return long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
                ? null : "is not a whole number";
        }
        if (_type == typeof(double))
        {
            return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                && double.IsFinite(number) ? null : "is not a number";
        }
        return _type == typeof(bool) ? bool.TryParse(value, out _) ? null : "is not true or false"
            : _type == typeof(LogLevel) ? LogLevels.Parse(value) is null ? "is not debug, info, warn or error" : null
            : _type.IsEnum ? Enum.GetNames(_type).Contains(value, StringComparer.OrdinalIgnoreCase) ? null : $"is not {Choices()}"
            : Value == PolicyValue ? PolicyTable.Problem(value)
            : null;
    }

    /// <summary>The value as the configuration binder reads it.</summary>
    public string? Normalize(string? value) => _type == typeof(LogLevel) && value is not null ? LogLevels.Parse(value) : value;

    private string Choices()
    {
        var names = Enum.GetNames(_type).Select(name => name.ToLowerInvariant()).ToArray();
        return $"{string.Join(", ", names[..^1])} or {names[^1]}";
    }

    private static string Text(object? value) => value switch
    {
        null or "" => "none",
        bool on => on ? "on" : "off",
        Enum choice => choice.ToString().ToLowerInvariant(),
        string text => text,
        ICollection { Count: 0 } => "none",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Limits(RangeAttribute range)
    {
        var from = Convert.ToString(range.Minimum, CultureInfo.InvariantCulture);
        return range.Maximum is int.MaxValue ? $"from {from}"
            : $"{from} to {Convert.ToString(range.Maximum, CultureInfo.InvariantCulture)}";
    }

    private static string Kebab(string name) => string.Concat(name.Select((letter, i) =>
        char.IsUpper(letter) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(letter) : letter.ToString()));
}
