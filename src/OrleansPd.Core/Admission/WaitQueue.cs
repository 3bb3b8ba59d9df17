namespace OrleansPd.Core.Admission;

/// <summary>Waiting requests of one lane, by priority, then by arrival. Leaving costs O(1).</summary>
internal sealed class WaitQueue
{
    private WaitingRequest? _last;

    public WaitingRequest? First { get; private set; }
    public int Count { get; private set; }

    /// <summary>True when <paramref name="left"/> is served before <paramref name="right"/>.</summary>
    public static bool Before(WaitingRequest left, WaitingRequest right) =>
        left.Request.Priority != right.Request.Priority
            ? left.Request.Priority > right.Request.Priority
            : left.Number < right.Number;

    public void Join(WaitingRequest waiting)
    {
        var before = _last;
        while (before is not null && Before(waiting, before))
            before = before.Previous;
        var after = before is null ? First : before.Next;
        (waiting.Previous, waiting.Next, waiting.Queue) = (before, after, this);
        if (before is null)
            First = waiting;
        else
            before.Next = waiting;
        if (after is null)
            _last = waiting;
        else
            after.Previous = waiting;
        Count++;
    }

    public void Leave(WaitingRequest waiting)
    {
        if (waiting.Previous is null)
            First = waiting.Next;
        else
            waiting.Previous.Next = waiting.Next;
        if (waiting.Next is null)
            _last = waiting.Previous;
        else
            waiting.Next.Previous = waiting.Previous;
        (waiting.Previous, waiting.Next, waiting.Queue) = (null, null, null);
        Count--;
    }
}
