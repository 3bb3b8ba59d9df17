using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Telemetry;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Reports to one worker's writer and takes its credits, one call at a time. A call that fails is simply made again: claims
/// replace each other, and outcomes are numbered. While calls fail it calls more and more seldom, until membership changes: a
/// writer whose silo is dead cannot answer before.
/// </summary>
internal sealed class WorkerLink(
    ClusterControlPlane plane, WorkerId id, long registration, PdClusterOptions options, IGrainFactory grains, TimeProvider clock,
    ILogger log)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private readonly AsyncSignal _signal = new(clock);
    private readonly RetryDelay _pause = new(clock);

    /// <summary>There is something to tell.</summary>
    public void Signal() => _signal.Signal();

    /// <summary>The cluster has changed: what failed before may work now.</summary>
    public void TryAgain() => _pause.End();

    /// <summary>Ends when the worker is not followed any more.</summary>
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
            // Never faster than this, however much there is to tell: what comes meanwhile goes into one report.
            await Task.Delay(urgent, clock, cancellationToken).ConfigureAwait(false);
            if (!more)
            {
                await _signal.WaitAsync(interval - urgent, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
