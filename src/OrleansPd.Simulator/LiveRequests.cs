namespace OrleansPd.Simulator;

/// <summary>The requests inside an engine process, by rid. Several requests may share one rid.</summary>
internal sealed class LiveRequests
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<SimRequest, byte>> _byRid = new();

    public bool Contains(string rid) => _byRid.ContainsKey(rid);

    public void Add(SimRequest request) => _byRid.GetOrAdd(request.Rid, _ => new()).TryAdd(request, 0);

    public void Remove(SimRequest request)
    {
        if (_byRid.TryGetValue(request.Rid, out var same))
        {
            same.TryRemove(request, out _);
            if (same.IsEmpty)
                _byRid.TryRemove(KeyValuePair.Create(request.Rid, same));
        }
    }

    /// <summary>Aborts every request whose rid begins with this text; "" = all.</summary>
    public void Abort(string prefix)
    {
        foreach (var (rid, requests) in _byRid)
        {
            if (rid.StartsWith(prefix, StringComparison.Ordinal))
            {
                foreach (var request in requests.Keys)
                    request.Cancel(SimRequest.AbortedByRequest);
            }
        }
    }
}
