namespace OrleansPd.Cluster.Grains;

/// <summary>Sends the newest fleet to its watchers. A slow watcher skips versions, never the last one.</summary>
/// <param name="epoch">Epoch of the fleet grain.</param>
/// <param name="leaving">Ends the feed: its silo would otherwise not stop while watchers wait for a change.</param>
internal sealed class FleetFeed(long epoch, CancellationToken leaving)
{
    private TaskCompletionSource _changed = New();
    private FleetUpdate _newest = new(epoch, 0, []);

    public void Publish(ImmutableArray<WorkerReport> workers, ImmutableArray<PoolSize> sizes)
    {
        _newest = _newest with { Version = _newest.Version + 1, Workers = workers, Sizes = sizes };
        var changed = _changed;
        _changed = New();
        changed.TrySetResult();
    }

    /// <summary>All updates newer than the version that the watcher knows; none before the first one is published.</summary>
    public async IAsyncEnumerable<FleetUpdate> Watch(
        long epoch, long version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, leaving);
        while (!leaving.IsCancellationRequested)
        {
            var (update, changed) = (_newest, _changed.Task);
            if (update.Version > 0 && (update.Epoch, update.Version).CompareTo((epoch, version)) > 0)
            {
                (epoch, version) = (update.Epoch, update.Version);
                yield return update;
            }
            // Continues in the grain's turn, after a change as well as after a cancellation.
            await changed.WaitAsync(over.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
