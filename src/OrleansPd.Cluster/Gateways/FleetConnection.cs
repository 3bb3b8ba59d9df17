namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Connection of a gateway to the fleet grain: joins, follows the feed of the fleet, and restarts both when they end.
/// </summary>
internal sealed class FleetConnection(ClusterControlPlane plane, GatewayServices services)
{
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);

    /// <summary>Failures are logged when they last longer: single calls fail while silos start and stop.</summary>
    private static readonly TimeSpan Tolerated = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private long? _failingSince;
    private bool _isReported;

    /// <summary>
    /// Sends at each interval what this gateway knows, so that a fleet grain that lost its storage is restored, and the
    /// configured workers until they are in the fleet.
    /// </summary>
    public async Task JoinAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (true)
        {
            try
            {
                var term = await services.Grains.GetGrain<IFleetGrain>(0).Join(plane.Hello()).WaitAsync(cancellationToken)
                    .ConfigureAwait(false);
                Succeeded();
                if (term.Prefix >= 0)
                    plane.Join(term.Prefix);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Failed(e);
            }
            var pause = plane.Joined.IsCompleted ? TimeSpan.FromSeconds(services.Cluster.HelloIntervalSecs) : Retry;
            await Task.Delay(pause, services.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Follows the fleet. A feed ends with its silo; the next one starts after the newest update received.</summary>
    public async Task FollowAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var (epoch, version) = (0L, 0L);
        while (true)
        {
            var feed = services.Grains.GetGrain<IFleetGrain>(0).Watch(epoch, version, cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            try
            {
                while (await feed.MoveNextAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false))
                {
                    var update = feed.Current;
                    Succeeded();
                    // Two activations can exist for a moment; the one with the higher epoch is right.
                    if ((update.Epoch, update.Version).CompareTo((epoch, version)) > 0)
                    {
                        (epoch, version) = (update.Epoch, update.Version);
                        plane.Apply(update);
                    }
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Failed(e);
            }
            finally
            {
                _ = EndAsync(feed);
            }
            await Task.Delay(Retry, services.Clock, cancellationToken).ConfigureAwait(false);
        }
        // Not awaited: the silo of the feed may be gone, and the call then takes until its timeout.
        static async Task EndAsync(IAsyncEnumerator<FleetUpdate> feed)
        {
            try
            {
                await feed.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The fleet grain removes a feed whose reader is gone.
            }
        }
    }

    /// <summary>Records a failed call to the fleet grain; logs once, when calls have failed for 2 s.</summary>
    public void Failed(Exception error)
    {
        lock (_gate)
        {
            _failingSince ??= services.Clock.GetTimestamp();
            if (_isReported || services.Clock.GetElapsedTime(_failingSince.Value) < Tolerated)
                return;
            _isReported = true;
        }
        plane.Lines.Add(() => Log.FleetAway(services.Log, error.Message.Split('\n')[0]));
    }

    private void Succeeded()
    {
        long since;
        lock (_gate)
        {
            since = _failingSince ?? 0;
            _failingSince = null;
            if (!_isReported)
                return;
            _isReported = false;
        }
        plane.Lines.Add(() => Log.FleetBack(services.Log, (long)services.Clock.GetElapsedTime(since).TotalSeconds));
    }
}
