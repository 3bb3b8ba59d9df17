using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Reports to one worker's grain and receives credits, one call at a time. A failed call is repeated: claims replace each other,
/// and outcomes are numbered. Retries slow down to one per second until membership changes, because the grain of a dead silo
/// cannot answer before.
/// </summary>
internal sealed class WorkerLink(
    ClusterControlPlane plane, WorkerId id, long registration, PdClusterOptions options, IGrainFactory grains, TimeProvider clock,
    ILogger log)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private readonly AsyncSignal _signal = new(clock);
    private readonly RetryDelay _pause = new(clock);

    public void Signal() => _signal.Signal();

    /// <summary>The cluster has changed: a call that failed before may succeed now.</summary>
    public void TryAgain() => _pause.End();

    /// <summary>Ends when the worker is not tracked any more.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var urgent = TimeSpan.FromMilliseconds(options.SyncUrgentMs);
        var interval = TimeSpan.FromMilliseconds(options.SyncIntervalMs);
        while (plane.NextReport(id, registration) is { } report)
        {
            var more = false;
            try
            {
                var role = plane.ReportOf(id)?.Spec.Role ?? WorkerRole.Decode;
                var sentAt = clock.GetUtcNow();
                var answer = await grains.WorkerGrain(role, id).Sync(report).AsTask()
                    .WaitAsync(CallTimeout, clock, cancellationToken).ConfigureAwait(false);
                more = plane.Answered(id, report, answer, sentAt);
                _pause.Succeeded();
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Log.WriterAway(log, id, e.Message);
                await _pause.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            // Minimum interval, so that changes that arrive together go into one report.
            await Task.Delay(urgent, clock, cancellationToken).ConfigureAwait(false);
            if (!more)
                await _signal.WaitAsync(interval - urgent, cancellationToken).ConfigureAwait(false);
        }
    }
}
