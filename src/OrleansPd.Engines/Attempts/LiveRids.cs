namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The request ids chosen by clients that are in use now. Refuses an id that is in use (engines answer 400 to a duplicate), and
/// knows whether an abort by id would also hit another id that begins with it. Thread-safe; bounded by the requests in flight.
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
                return _live.Count;
        }
    }

    /// <summary>Adds all or none. The list must not have duplicates.</summary>
    /// <returns>Null, or the id that is in use already.</returns>
    public string? TryAdd(IReadOnlyList<string> rids)
    {
        lock (_gate)
        {
            foreach (var rid in rids)
            {
                if (_live.Contains(rid))
                    return rid;
            }
            foreach (var rid in rids)
                _live.Add(rid);
            return null;
        }
    }

    public void Remove(IReadOnlyList<string> rids)
    {
        lock (_gate)
        {
            foreach (var rid in rids)
                _live.Remove(rid);
        }
    }

    /// <summary>Whether no other id in use begins with this one. Ids of ours are of equal length and therefore safe.</summary>
    public bool IsSafeToAbort(string rid, string ourPrefix)
    {
        if (ourPrefix.StartsWith(rid, StringComparison.Ordinal))
            return false;
        lock (_gate)
        {
            foreach (var next in _live.GetViewBetween(rid, rid + char.MaxValue))
            {
                if (next.Length > rid.Length && next.StartsWith(rid, StringComparison.Ordinal))
                    return false;
            }
            return true;
        }
    }
}
