using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using OrleansPd.Client.Contracts;
using OrleansPd.Core.Credits;

namespace OrleansPd.Cluster.Grains;

/// <summary>The newest fleet for whoever watches: those who are slow miss what lies between, never the last.</summary>
/// <param name="epoch">The life of the writer.</param>
/// <param name="leaving">Ends the feed: its silo would otherwise wait for whoever waits for the next change.</param>
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

    /// <summary>From the first that is newer than what the watcher knows; nothing before anything was told.</summary>
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
            // In the grain's own turn again, whichever of the three it was.
            await changed.WaitAsync(over.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
