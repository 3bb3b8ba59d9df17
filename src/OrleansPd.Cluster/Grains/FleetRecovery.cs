using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Telemetry;
using OrleansPd.Core.Credits;

namespace OrleansPd.Cluster.Grains;

/// <summary>Gives pools back what storage lost: workers and targetSize sizes, as gateways and the fleet remember them.</summary>
internal sealed class FleetRecovery(FleetRoster roster, IGrainFactory grains, PdTime time, ILogger log)
{
    /// <summary>Takes what a gateway remembers, where everything stored was lost or that of a pool was.</summary>
    /// <param name="hello">What it says.</param>
    /// <param name="keep">Stores that there are these pools.</param>
    public async Task RestoreAsync(GatewayHello hello, Func<IEnumerable<string>, Task> keep)
    {
        var lost = hello.Known.GroupBy(r => PoolKey.Of(r.Spec))
            .Where(p => roster.IsLearning(time.Now) || roster.IsBlank(p.Key)).ToArray();
        await keep(lost.Select(p => p.Key));
        foreach (var pool in lost)
        {
            await grains.GetGrain<IWorkerPoolGrain>(pool.Key).Adopt([.. pool]);
        }
        // Later than its workers: a pool that stores a targetSize size is no longer taken for lost.
        var sizes = hello.Sizes.IsDefault ? [] : hello.Sizes;
        var newer = roster.Newer(sizes.Select(s => (s.Pool, s.ToTargetSize())), time.Now).ToArray();
        await keep(newer.Select(s => s.Pool));
        foreach (var (pool, targetSize) in newer.Where(s => roster.HasReported(s.Pool)))
        {
            await grains.GetGrain<IWorkerPoolGrain>(pool).Restore(PoolMessages.Size(pool, targetSize));
        }
    }

    /// <summary><see cref="RestorePoolAsync"/> again and again: a pool that does not answer is asked at the next look.</summary>
    public async Task PollAsync(string key, Action<PoolSnapshot> take)
    {
        try
        {
            await RestorePoolAsync(key, take);
        }
        catch (Exception e)
        {
            Log.FleetAway(log, e.Message);
        }
    }

    /// <summary>Asks a pool what it has, and gives it back what is remembered here and it does not know.</summary>
    public async Task RestorePoolAsync(string key, Action<PoolSnapshot> take)
    {
        var grain = grains.GetGrain<IWorkerPoolGrain>(key);
        var pool = await grain.Current();
        take(pool);
        if (pool.IsBlank && roster.ReportsOf(key) is { IsEmpty: false } remembered)
        {
            await grain.Adopt(remembered);
        }
        if (roster.TargetOf(key) is var targetSize && targetSize.At > pool.TargetAt)
        {
            await grain.Restore(PoolMessages.Size(key, targetSize));
        }
    }
}
