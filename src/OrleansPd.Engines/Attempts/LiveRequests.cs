namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The requests in work that can be aborted by an id that the engines do not know them by: samples and retries have ids of ours,
/// and a batch has one id for each prompt. Thread-safe; bounded by the requests in flight.
/// </summary>
public sealed class LiveRequests
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<LiveRequest>> _byName = new(StringComparer.Ordinal);
    private readonly HashSet<LiveRequest> _all = [];

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _all.Count;
            }
        }
    }

    /// <summary>Adds a request; whoever added it removes it.</summary>
    /// <param name="whole">The client's id for all of it; null where it gave one for each prompt, or none.</param>
    /// <param name="items">The id of each prompt, as one engine would name it; empty where the client gave none.</param>
    public LiveRequest Add(string? whole, IReadOnlyList<string> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        var request = new LiveRequest(whole, items);
        lock (_gate)
        {
            _all.Add(request);
            foreach (var name in request.Names)
            {
                if (!_byName.TryGetValue(name, out var named))
                {
                    _byName.Add(name, named = []);
                }
                named.Add(request);
            }
        }
        return request;
    }

    public void Remove(LiveRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        lock (_gate)
        {
            _all.Remove(request);
            foreach (var name in request.Names)
            {
                if (_byName.TryGetValue(name, out var named) && named.Remove(request) && named.Count == 0)
                {
                    _byName.Remove(name);
                }
            }
        }
    }

    /// <summary>Marks what has this id, wholly or in part, as aborted: nothing of it is begun any more.</summary>
    /// <returns>What of it is on engines.</returns>
    public IReadOnlyList<AbortTarget> Abort(string rid)
    {
        ArgumentNullException.ThrowIfNull(rid);
        return [.. Named(rid).SelectMany(request => request.Abort(rid))];
    }

    /// <summary>The same for all of them.</summary>
    public IReadOnlyList<AbortTarget> AbortAll()
    {
        LiveRequest[] all;
        lock (_gate)
        {
            all = [.. _all];
        }
        return [.. all.SelectMany(request => request.Abort(null))];
    }

    private LiveRequest[] Named(string rid)
    {
        lock (_gate)
        {
            return _byName.TryGetValue(rid, out var named) ? [.. named] : [];
        }
    }
}
