namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The ids that clients brought and that are in use now. Refuses a second use of a live one (engines answer 400 to that), and
/// knows whether aborting one by id would hit another that begins with it. Thread-safe; bounded by the requests in flight.
/// </summary>
public sealed class LiveRids
{
    private readonly Lock _gate = new();
    private readonly SortedSet<string> _live = new(StringComparer.Ordinal);

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _live.Count;
            }
        }
    }

    /// <summary>Adds all or none. The list has no duplicates of its own.</summary>
    /// <returns>Null, or the id that is live already.</returns>
    public string? TryAdd(IReadOnlyList<string> rids)
    {
        lock (_gate)
        {
            foreach (var rid in rids)
            {
                if (_live.Contains(rid))
                {
                    return rid;
                }
            }
            foreach (var rid in rids)
            {
                _live.Add(rid);
            }
            return null;
        }
    }

    public void Remove(IReadOnlyList<string> rids)
    {
        lock (_gate)
        {
            foreach (var rid in rids)
            {
                _live.Remove(rid);
            }
        }
    }

    /// <summary>Whether no other live id begins with this one. Ids of our own have one width and are safe by that.</summary>
    public bool IsSafeToAbort(string rid, string ourPrefix)
    {
        if (ourPrefix.StartsWith(rid, StringComparison.Ordinal))
        {
            return false;
        }
        lock (_gate)
        {
            foreach (var next in _live.GetViewBetween(rid, rid + char.MaxValue))
            {
                if (next.Length > rid.Length && next.StartsWith(rid, StringComparison.Ordinal))
                {
                    return false;
                }
            }
            return true;
        }
    }
}
