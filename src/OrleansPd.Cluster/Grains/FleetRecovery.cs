namespace OrleansPd.Cluster.Grains;

/// <summary>Restores pools that storage lost: workers and target sizes, as gateways and the fleet grain know them.</summary>
internal sealed class FleetRecovery(FleetRoster roster, IGrainFactory grains, PdTime time, ILogger log)
{
    /// <summary>Applies what a gateway knows, if all storage or that of a pool was lost.</summary>
    /// <param name="hello">The gateway's message.</param>
    /// <param name="keep">Stores that these pools exist.</param>
    public async Task RestoreAsync(GatewayHello hello, Func<IEnumerable<string>, Task> keep)
    {
        var lost = hello.Known.GroupBy(r => PoolKey.Of(r.Spec))
            .Where(p => roster.IsLearning(time.Now) || roster.IsBlank(p.Key)).ToArray();
        await keep(lost.Select(p => p.Key));
        foreach (var pool in lost)
            await grains.GetGrain<IWorkerPoolGrain>(pool.Key).Adopt([.. pool]);
        // After its workers: once a pool stores a target size it no longer counts as lost.
        var sizes = hello.Sizes.IsDefault ? [] : hello.Sizes;
        var newer = roster.Newer(sizes.Select(s => (s.Pool, s.ToTargetSize())), time.Now).ToArray();
        await keep(newer.Select(s => s.Pool));
        foreach (var (pool, targetSize) in newer.Where(s => roster.HasReported(s.Pool)))
            await grains.GetGrain<IWorkerPoolGrain>(pool).Restore(PoolMessages.Size(pool, targetSize));
    }

    /// <summary>
    /// <see cref="RestorePoolAsync"/>, with failures logged: a pool that does not answer is queried again at the next interval.
    /// </summary>
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

    /// <summary>Queries a pool, and restores what it lost and is known here.</summary>
    public async Task RestorePoolAsync(string key, Action<PoolSnapshot> take)
    {
        var grain = grains.GetGrain<IWorkerPoolGrain>(key);
        var pool = await grain.Current();
        take(pool);
        if (pool.IsBlank && roster.ReportsOf(key) is { IsEmpty: false } remembered)
            await grain.Adopt(remembered);
        if (roster.TargetOf(key) is var targetSize && targetSize.At > pool.TargetAt)
            await grain.Restore(PoolMessages.Size(key, targetSize));
    }
}
