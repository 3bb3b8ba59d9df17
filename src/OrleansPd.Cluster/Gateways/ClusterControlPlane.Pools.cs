namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Pools and their target sizes as the fleet grain reports them; if it does not answer, as this gateway knows them.
/// </summary>
public sealed partial class ClusterControlPlane
{
    public async ValueTask<ImmutableArray<PoolView>> PoolsAsync(CancellationToken cancellationToken)
    {
        var pools = Volatile.Read(ref _reports).Values.GroupBy(r => PoolKey.Of(r.Spec))
            .ToDictionary(p => p.Key, p => ViewOf(p.Key, p));
        foreach (var size in Volatile.Read(ref _sizes).Values)
        {
            var known = pools.GetValueOrDefault(size.Pool) ?? ViewOf(size.Pool, []);
            pools[size.Pool] = known with { TargetSize = size.TargetSize };
        }
        try
        {
            var reported = await _grains.GetGrain<IFleetGrain>(0).Pools().WaitAsync(cancellationToken).ConfigureAwait(false);
            foreach (var pool in reported)
                pools[pool.Key] = ViewOf(pool.Key, pool.Workers) with { TargetSize = pool.TargetSize };
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            _fleet.Failed(e);
        }
        var listed = pools.Values.Where(p => !p.IsBlank);
        return [.. listed.OrderBy(p => p.Name.Role).ThenBy(p => p.Name.Model, StringComparer.Ordinal)];
    }

    public async ValueTask<PoolAnswer> ScaleAsync(PoolTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (target.Problem is { } problem)
            return PoolAnswer.Failed(AdminProblem.Invalid, problem);
        PoolSnapshot pool;
        try
        {
            var fleet = _grains.GetGrain<IFleetGrain>(0);
            pool = await fleet.Scale(target.Pool.ToString(), target.TargetSize).WaitAsync(cancellationToken)
                .ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            _fleet.Failed(e);
            return PoolAnswer.Failed(
                AdminProblem.Unavailable, $"The cluster has not confirmed that it is stored; try again. ({e.Message})");
        }
        if (!target.DrainSurplus)
            return PoolAnswer.Done(ViewOf(pool.Key, pool.Workers) with { TargetSize = pool.TargetSize }, []);
        var views = await Task.WhenAll(pool.Workers.Select(report => ViewAsync(report, cancellationToken))).ConfigureAwait(false);
        var surplus = target.Surplus(views);
        var drained = await Task.WhenAll(surplus.Select(id => DrainAsync(pool, id, cancellationToken))).ConfigureAwait(false);
        var leaving = drained.OfType<WorkerView>().ToDictionary(v => v.Worker.Id);
        var after = views.Select(v => leaving.GetValueOrDefault(v.Worker.Id, v).Worker);
        return PoolAnswer.Done(PoolView.Of(target.Pool, pool.TargetSize, after), [.. leaving.Keys]);
    }

    /// <summary>Null: the worker's grain does not answer or does not manage it any more; it stays surplus.</summary>
    private async Task<WorkerView?> DrainAsync(PoolSnapshot pool, WorkerId id, CancellationToken cancellationToken)
    {
        var role = pool.Workers.First(w => w.Id == id).Spec.Role;
        try
        {
            return await _grains.WorkerGrain(role, id).Retire(force: false).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.WriterAway(_log, id, e.Message);
            return null;
        }
    }

    private static PoolView ViewOf(string key, IEnumerable<WorkerReport> workers) => PoolName.TryParse(key, out var name)
        ? PoolView.Of(name, null, workers.Select(w => w.Snapshot))
        : throw new InvalidOperationException($"'{key}' names no pool");
}
