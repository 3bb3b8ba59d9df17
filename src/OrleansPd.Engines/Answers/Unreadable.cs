namespace OrleansPd.Engines.Answers;

/// <summary>
/// Matches the exceptions of the document model for JSON that is well-formed but not as expected: another type, a number out of
/// range, a lone surrogate, a duplicate member, too deep nesting.
/// </summary>
internal static class Unreadable
{
    public static bool Is(Exception problem) =>
        problem is JsonException or InvalidOperationException or ArgumentException or FormatException or OverflowException;
}
