namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The requests in flight that a client can abort by an id that engines do not know: samples and retries are sent with ids of
/// ours, and a batch has one id for each prompt. Thread-safe; bounded by the requests in flight.
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
                return _all.Count;
        }
    }

    /// <summary>Adds a request; the caller removes it.</summary>
    /// <param name="whole">The client's id for the whole request; null where it chose one for each prompt, or none.</param>
    /// <param name="items">The id of each prompt, as an engine would name it; empty where the client chose none.</param>
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
                    _byName.Add(name, named = []);
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
                    _byName.Remove(name);
            }
        }
    }

    /// <summary>Marks requests and prompts with this id as aborted: no further attempt of them begins.</summary>
    /// <returns>Their attempts that are on engines.</returns>
    public IReadOnlyList<AbortTarget> Abort(string rid)
    {
        ArgumentNullException.ThrowIfNull(rid);
        return [.. Named(rid).SelectMany(request => request.Abort(rid))];
    }

    /// <summary>The same for all requests.</summary>
    public IReadOnlyList<AbortTarget> AbortAll()
    {
        LiveRequest[] all;
        lock (_gate)
            all = [.. _all];
        return [.. all.SelectMany(request => request.Abort(null))];
    }

    private LiveRequest[] Named(string rid)
    {
        lock (_gate)
            return _byName.TryGetValue(rid, out var named) ? [.. named] : [];
    }
}
