using System.Text.Json;

namespace OrleansPd.Engines.Answers;

/// <summary>
/// What the document model throws at JSON that is well-formed and yet not what is looked for: another type, a number that does
/// not fit, half a surrogate pair, a member named twice, sections nested too deep.
/// </summary>
internal static class Unreadable
{
    public static bool Is(Exception problem) =>
        problem is JsonException or InvalidOperationException or ArgumentException or FormatException or OverflowException;
}
