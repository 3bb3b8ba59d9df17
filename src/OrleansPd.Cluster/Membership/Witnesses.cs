using System.Collections.Concurrent;
using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Cluster.Membership;

/// <summary>
/// What gateways of other silos have on the engines, as they told this process. Bounded by what they have in flight.
/// </summary>
internal sealed class Witnesses(EngineAborter aborter)
{
    private readonly ConcurrentDictionary<string, ImmutableArray<LegsOnWorker>> _legs = new();

    public void Remember(string gateway, ImmutableArray<LegsOnWorker> legs)
    {
        if (legs.IsEmpty)
        {
            _legs.TryRemove(gateway, out _);
        }
        else
        {
            _legs[gateway] = legs;
        }
    }

    /// <summary>Requests of a gateway that are known here.</summary>
    public int Count(string gateway) => _legs.TryGetValue(gateway, out var legs) ? legs.Sum(l => l.Rids.Length) : 0;

    /// <summary>Aborts what a dead gateway had, all engines at the same time; the number of requests.</summary>
    public int GatewayDied(string gateway, Func<WorkerId, WorkerSnapshot?> find)
    {
        if (!_legs.TryRemove(gateway, out var legs))
        {
            return 0;
        }
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
