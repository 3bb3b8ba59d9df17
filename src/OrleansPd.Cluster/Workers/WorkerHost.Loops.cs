using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Telemetry;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Workers;

/// <summary>What runs beside the calls of the grain.</summary>
internal sealed partial class WorkerHost
{
    private async Task ClearAsync(
        string gateway, ImmutableArray<string> rids, WorkerSnapshot worker, CancellationToken cancellationToken)
    {
        await Task.Yield();
        Log.Aborting(_services.Log, worker.Id, rids.Length, gateway);
        await _services.Aborter.AbortAsync(worker, rids, mayRepeat: true).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromMilliseconds(_services.Cluster.AbortSettleMs), _services.Clock, cancellationToken)
            .ConfigureAwait(false);
        Change(desk => desk.Cleared(gateway, _services.Clock.GetUtcNow()));
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TickInterval, _services.Clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            ImmutableArray<string> overdue = [];
            Change(desk => overdue = desk.Tick(_services.Clock.GetUtcNow()));
            foreach (var gateway in overdue)
            {
                GatewayDied(gateway);
            }
        }
    }

    /// <summary>Tells the pool whatever changes, the newest only, until it was heard.</summary>
    private async Task TellAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var told = 0L;
        var failed = false;
        while (true)
        {
            WorkerReport report;
            bool gone;
            lock (_gate)
            {
                (report, gone) = (_desk.Report, _desk.IsGone);
            }
            if (report.Version > told)
            {
                try
                {
                    var pool = _services.Grains.GetGrain<IWorkerPoolGrain>(PoolKey.Of(report.Spec));
                    if (gone)
                    {
                        await pool.Forget(Id, Registration).WaitAsync(cancellationToken).ConfigureAwait(false);
                    }
                    else
                    {
                        await pool.Report(report).WaitAsync(cancellationToken).ConfigureAwait(false);
                    }
                    told = report.Version;
                    failed = false;
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    if (!failed) // said once, and not at each attempt
                    {
                        Log.NotTold(_services.Log, Id, e.Message.Split('\n')[0]);
                    }
                    failed = true;
                    await Task.Delay(Retry, _services.Clock, cancellationToken).ConfigureAwait(false);
                }
                continue;
            }
            await _changed.WaitAsync(TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task Guarded(Task loop)
    {
        try
        {
            await loop.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            Log.LoopDied(_services.Log, e, Id);
        }
    }
}
