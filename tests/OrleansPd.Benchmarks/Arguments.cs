using System.Globalization;

namespace OrleansPd.Benchmarks;

/// <summary>Words, and options with a number.</summary>
internal sealed class Arguments(string[] arguments)
{
    /// <summary>What is no option.</summary>
    public IReadOnlyList<string> Words { get; } =
        [.. arguments.Where((a, i) => !a.StartsWith("--", StringComparison.Ordinal)
            && (i == 0 || !arguments[i - 1].StartsWith("--", StringComparison.Ordinal)))];

    /// <exception cref="FormatException">It is no number.</exception>
    public double Number(string name, double otherwise)
    {
        var at = Array.IndexOf(arguments, name);
        return at < 0 ? otherwise
            : at + 1 < arguments.Length && double.TryParse(arguments[at + 1], CultureInfo.InvariantCulture, out var value) ? value
            : throw new FormatException($"{name} needs a number.");
    }
}
