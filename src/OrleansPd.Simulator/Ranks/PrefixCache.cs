namespace OrleansPd.Simulator.Ranks;

/// <summary>
/// Which pages a rank still has, least recently used first to go. Holds keys only: the KV itself is a pure function of them.
/// </summary>
internal sealed class PrefixCache(int capacityPages)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, LinkedListNode<ulong>> _pages = [];
    private readonly LinkedList<ulong> _byUse = new();

    /// <summary>How many leading pages are cached.</summary>
    public int Match(List<ulong> pages, int atMost)
    {
        lock (_gate)
        {
            var count = 0;
            while (count < atMost && count < pages.Count && _pages.TryGetValue(pages[count], out var node))
            {
                Touch(node);
                count++;
            }
            return count;
        }
    }

    public void Insert(List<ulong> pages)
    {
        lock (_gate)
        {
            // From the last page to the first: a prefix must outlive what hangs on it.
            for (var i = Math.Min(pages.Count, capacityPages) - 1; i >= 0; i--)
            {
                if (_pages.TryGetValue(pages[i], out var node))
                {
                    Touch(node);
                    continue;
                }
                if (_pages.Count >= capacityPages)
                {
                    _pages.Remove(_byUse.First!.Value);
                    _byUse.RemoveFirst();
                }
                _pages[pages[i]] = _byUse.AddLast(pages[i]);
            }
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _pages.Clear();
            _byUse.Clear();
        }
    }

    private void Touch(LinkedListNode<ulong> node)
    {
        _byUse.Remove(node);
        _byUse.AddLast(node);
    }
}
