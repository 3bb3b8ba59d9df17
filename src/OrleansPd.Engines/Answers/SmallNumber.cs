namespace OrleansPd.Engines.Answers;

/// <summary>Numbers as the objects that a span's tags are: statuses, counts and ranks, which are few, are made once.</summary>
public static class SmallNumber
{
    private static readonly object[] All = [.. Enumerable.Range(0, 600).Select(number => (object)number)];

    public static object Boxed(int number) => (uint)number < (uint)All.Length ? All[number] : number;
}
