using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Core.Options;

/// <summary>
/// Makes an option a flag of <c>orleanspd gateway</c>. This is the only place that defines the flag: help, docs/operations.md and
/// error messages are generated from it, with the default of a new instance and the limits of <see cref="RangeAttribute"/>.
/// </summary>
/// <param name="value">Name of the value in the help; empty for a switch.</param>
/// <param name="help">Sentences without the default.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FlagAttribute(FlagGroup group, string value, string help) : Attribute
{
    public FlagGroup Group => group;
    public string Value => value;
    public string Help => help;

    /// <summary>Without the dashes; null = the property's name in kebab case.</summary>
    public string? Name { get; init; }

    /// <summary>The configuration key under the section; null = the property's name.</summary>
    public string? Key { get; init; }

    /// <summary>Text for a default that the property's initial value does not show.</summary>
    public string? Default { get; init; }

    /// <summary>The SGLang router has no such flag.</summary>
    public bool Ours { get; init; }
}

/// <summary>A switch that sets the same option to a fixed value.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SwitchFlagAttribute(string name, string sets, string help) : Attribute
{
    public string Name => name;
    public string Sets => sets;
    public string Help => help;
}
