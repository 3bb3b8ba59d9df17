using System.CommandLine;

namespace OrleansPd.Server.Settings;

/// <summary>What the value of a flag looks like.</summary>
internal enum FlagKind
{
    Switch,
    Text,
    Whole,
    Number,
    List,
    Policy,
    Ranks,
    Upstream,
    Transport,
    LogLevel,
    LogFormat,
}

/// <summary>A flag of <c>orleanspd gateway</c> and the setting it stands for.</summary>
/// <param name="Name">Without the dashes.</param>
/// <param name="Value">Name of the value in the help; empty for switches.</param>
/// <param name="Section">Configuration section of the setting.</param>
/// <param name="Setting">Name of the setting; empty = the flag's own name in Pascal case.</param>
internal sealed record GatewayFlag(
    string Name, FlagKind Kind, string Value, string Help, string Section = "Gateway", string Setting = "")
{
    /// <summary>For a switch whose setting is not a switch: what giving it sets.</summary>
    public string? Means { get; init; }

    public string Key { get; } = $"{Section}:{(Setting.Length > 0 ? Setting : Pascal(Name))}";

    public string Display => $"--{Name}";

    public Option CreateOption() => Kind switch
    {
        FlagKind.Switch => new Option<bool>(Display) { Description = Help },
        FlagKind.List => new Option<string[]>(Display)
        {
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.ZeroOrMore,
            Description = Help,
            HelpName = Value,
        },
        _ => new Option<string>(Display) { Description = Help, HelpName = Value },
    };

    private static string Pascal(string name) =>
        string.Concat(name.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
}
