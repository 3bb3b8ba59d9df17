using Orleans.Runtime.Placement;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Reports the requests in flight of this gateway to another silo, so that they can be aborted if this gateway dies.
/// </summary>
internal sealed class WitnessReporter(GatewayServices services, Func<ImmutableArray<LegsOnWorker>> inFlight)
{
    private readonly RetryDelay _pause = new(services.Clock);

    /// <summary>The cluster has changed: a call that failed before may succeed now.</summary>
    public void Retry() => _pause.End();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var reported = false;
        var requests = 0;
        while (true)
        {
            var interval = TimeSpan.FromMilliseconds(services.Cluster.WitnessIntervalMs + (requests / 10));
            await Task.Delay(interval, services.Clock, cancellationToken).ConfigureAwait(false);
            if (services.Members.Successor() is not { } successor)
            {
                continue; // the only silo
            }
            var legs = inFlight();
            requests = legs.Sum(l => l.Rids.Length);
            if (legs.IsEmpty && !reported)
                continue;
            try
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, successor);
                await services.Grains.GetGrain<IWitnessGrain>(services.Members.Self).Remember(legs).WaitAsync(cancellationToken)
                    .ConfigureAwait(false);
                reported = !legs.IsEmpty;
                _pause.Succeeded();
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Log.NoWitness(services.Log, e.Message);
                await _pause.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
