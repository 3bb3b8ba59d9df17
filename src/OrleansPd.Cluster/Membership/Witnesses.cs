using OrleansPd.Engines.Attempts;

namespace OrleansPd.Cluster.Membership;

/// <summary>
/// Requests that gateways of other silos have on the engines, as reported to this process. Bounded by their requests in flight.
/// </summary>
internal sealed class Witnesses(EngineAborter aborter)
{
    private readonly ConcurrentDictionary<string, ImmutableArray<LegsOnWorker>> _legs = new();

    public void Remember(string gateway, ImmutableArray<LegsOnWorker> legs)
    {
        if (legs.IsEmpty)
            _legs.TryRemove(gateway, out _);
        else
            _legs[gateway] = legs;
    }

    public int Count(string gateway) => _legs.TryGetValue(gateway, out var legs) ? legs.Sum(l => l.Rids.Length) : 0;

    /// <summary>Aborts the requests of a dead gateway, on all engines in parallel; returns their number.</summary>
    public int GatewayDied(string gateway, Func<WorkerId, WorkerSnapshot?> find)
    {
        if (!_legs.TryRemove(gateway, out var legs))
            return 0;
        foreach (var (worker, rids) in legs.Select(l => (find(l.Worker), l.Rids)))
        {
            if (worker is not null)
            {
                _ = aborter.AbortAsync(worker, rids, mayRepeat: true); // never throws, and ends by its own time limit
            }
        }
        return legs.Sum(l => l.Rids.Length);
    }
}
