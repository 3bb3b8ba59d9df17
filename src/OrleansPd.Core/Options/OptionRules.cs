using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace OrleansPd.Core.Options;

/// <summary>Checks options against the attributes of their properties.</summary>
public static class OptionRules
{
    /// <param name="path">Where they are, such as <c>Workers:0:</c>; empty = at the top.</param>
    public static IEnumerable<OptionProblem> Check(object options, string path = "")
    {
        ArgumentNullException.ThrowIfNull(options);
        foreach (var property in options.GetType().GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            var value = property.GetValue(options);
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>().Where(rule => !rule.IsValid(value)))
            {
                yield return new(path + property.Name, rule switch
                {
                    RangeAttribute range => $"{value} is not between {range.Minimum} and {range.Maximum}",
                    RequiredAttribute => "may not be empty",
                    _ => rule.FormatErrorMessage(property.Name).TrimEnd('.'),
                });
            }
        }
    }
}
