namespace OrleansPd.Engines.Answers;

/// <summary>Boxes numbers for the tags of spans. Small ones (statuses, counts, ranks) are boxed once.</summary>
public static class SmallNumber
{
    private static readonly object[] All = [.. Enumerable.Range(0, 600).Select(number => (object)number)];

    public static object Boxed(int number) => (uint)number < (uint)All.Length ? All[number] : number;
}
