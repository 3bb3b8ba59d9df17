namespace OrleansPd.Architecture.Tests;

/// <summary>What breaks a rule and is not mended yet. These lists may only shrink, and are to be empty.</summary>
internal static class Known
{
    public static readonly string[] Circles = [];

    public static readonly string[] Unsafe = [];

    public static readonly string[] UnusedReferences = ["Simulator: Core"];

    public static readonly string[] LongFiles = [];

    public static readonly string[] LongMethods = [];

    public static void Check(
        string rule, string[] known, IEnumerable<string> found, Func<string, string>? detail = null)
    {
        var broken = found.ToHashSet(StringComparer.Ordinal);
        ArrowTests.AssertNone(rule, broken.Except(known).Select(item => detail is null ? item : $"{item}: {detail(item)}"));
        ArrowTests.AssertNone("Mended; delete it from Known:", known.Except(broken));
    }
}
