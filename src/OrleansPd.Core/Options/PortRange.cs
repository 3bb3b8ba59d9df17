using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Core.Options;

/// <summary>
/// Ports from <paramref name="First"/> to <paramref name="Last"/>, both included, both with the same number of digits.
/// </summary>
public readonly record struct PortRange(int First, int Last)
{
    public int Count => Last - First + 1;

    /// <exception cref="ArgumentException">Not <c>first-last</c>, first above last, or ports with different numbers of digits.
    /// </exception>
    public static PortRange Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('-');
        return parts.Length == 2 && Port(parts[0]) is { } first && Port(parts[1]) is { } last && first <= last
            && parts[0].Trim().Length == parts[1].Trim().Length
            ? new(first, last)
            : throw new ArgumentException(Problem(text), nameof(text));
    }

    /// <summary>For options: null is allowed.</summary>
    public static ValidationResult? Check(string? text)
    {
        try
        {
            _ = text is null ? default : Parse(text);
            return ValidationResult.Success;
        }
        catch (ArgumentException)
        {
            return new ValidationResult(Problem(text!));
        }
    }

    private static string Problem(string text) =>
        $"'{text}' is not a port range such as 20000-20999 (both ports with the same number of digits)";

    private static int? Port(string text) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535
            && text.Trim()[0] != '0'
            ? port
            : null;
}
