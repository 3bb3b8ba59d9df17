using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Gateway.Management;

/// <summary>What a control call did to an adapter.</summary>
internal enum AdapterChange
{
    /// <summary>The engines have it now.</summary>
    Loaded,

    /// <summary>They have not any more.</summary>
    Unloaded,
}

/// <summary>
/// Sees to it that whoever has loaded or unloaded an adapter can rely on it when the call returns: the engines that did it are
/// read again at once, and the answer waits until this gateway's fleet shows it, though not for long. An engine that does not
/// tell of its adapters (protocol §3.10) never shows it, and needs not: requests that name adapters nobody tells of go to any
/// engine.
/// </summary>
internal sealed class AdapterWatch(IControlPlane controlPlane, IFleetAdmin? admin, TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    /// <param name="workers">Who did it.</param>
    /// <param name="adapter">Its name; null where the call had none.</param>
    /// <param name="change">What was done.</param>
    /// <param name="cancellationToken">Ends the wait; the engines are read nevertheless.</param>
    public async Task ChangedAsync(
        ImmutableArray<WorkerId> workers, string? adapter, AdapterChange change, CancellationToken cancellationToken)
    {
        if (admin is null || workers.IsEmpty)
        {
            return;
        }
        try
        {
            await Task.WhenAll(workers.Select(id => admin.ReadAgainAsync(id, cancellationToken).AsTask()));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return; // a worker's writer is away: what changed is read at the usual interval
        }
        var started = clock.GetTimestamp();
        while (adapter is not null && !workers.All(id => Shows(id, adapter, change)) && clock.GetElapsedTime(started) < Patience)
        {
            await Task.Delay(Poll, clock, cancellationToken);
        }
    }

    private bool Shows(WorkerId id, string adapter, AdapterChange change) =>
        controlPlane.Fleet.Workers.FirstOrDefault(w => w.Id == id) is not { IsPairable: true } worker
        || worker.Facts.AdapterNames.Split('\n').Contains(adapter) == (change == AdapterChange.Loaded);
}
