namespace OrleansPd.Gateway.Management;

/// <summary>What a control call did to an adapter.</summary>
internal enum AdapterChange
{
    Loaded,

    Unloaded,
}

/// <summary>
/// Makes a change of adapters visible before the call that made it returns: reads the engines again at once, then waits until
/// this gateway's fleet shows the change, 2 s at most. An engine that does not list its adapters never shows it;
/// requests that name an unlisted adapter go to any engine.
/// </summary>
internal sealed class AdapterWatch(IControlPlane controlPlane, TimeProvider clock, IFleetAdmin? admin = null)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    /// <param name="workers">The workers whose engines changed.</param>
    /// <param name="adapter">Name of the adapter; null where the call had none.</param>
    /// <param name="change">Loaded or unloaded.</param>
    /// <param name="cancellationToken">Ends the wait; the engines are read all the same.</param>
    public async Task ChangedAsync(
        ImmutableArray<WorkerId> workers, string? adapter, AdapterChange change, CancellationToken cancellationToken)
    {
        if (admin is null || workers.IsEmpty)
            return;
        try
        {
            await Task.WhenAll(workers.Select(id => admin.ReadAgainAsync(id, cancellationToken).AsTask()));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return; // the silo of a worker does not answer: the change is read at the usual interval
        }
        var started = clock.GetTimestamp();
        while (adapter is not null && !workers.All(id => Shows(id, adapter, change)) && clock.GetElapsedTime(started) < Timeout)
            await Task.Delay(Poll, clock, cancellationToken);
    }

    private bool Shows(WorkerId id, string adapter, AdapterChange change) =>
        controlPlane.Fleet.Workers.FirstOrDefault(w => w.Id == id) is not { IsPairable: true } worker
        || worker.Facts.AdapterNames.Split('\n').Contains(adapter) == (change == AdapterChange.Loaded);
}
