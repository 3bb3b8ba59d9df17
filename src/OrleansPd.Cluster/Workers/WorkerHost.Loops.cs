namespace OrleansPd.Cluster.Workers;

/// <summary>The background loops of a worker's grain.</summary>
internal sealed partial class WorkerHost
{
    /// <summary>
    /// A grain whose worker is not a member of its pool ends after this time. Until then it answers late calls with the removal,
    /// and a pool that lost its storage can restore its members.
    /// </summary>
    private static readonly TimeSpan EndAfter = TimeSpan.FromSeconds(60);

    private async Task ClearAsync(
        string gateway, ImmutableArray<string> rids, WorkerSnapshot worker, CancellationToken cancellationToken)
    {
        await Task.Yield();
        Log.Aborting(_services.Log, worker.Id, rids.Length, gateway);
        await _services.Aborter.AbortAsync(worker, rids, mayRepeat: true).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromMilliseconds(_services.Cluster.AbortSettleMs), _services.Clock, cancellationToken)
            .ConfigureAwait(false);
        Change(state => state.EndClearing(gateway, _services.Clock.GetUtcNow()));
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TickInterval, _services.Clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            ImmutableArray<string> overdue = [];
            Change(state => overdue = state.Tick(_services.Clock.GetUtcNow()));
            foreach (var gateway in overdue)
                GatewayDied(gateway);
        }
    }

    /// <summary>
    /// Sends the newest report to the pool after each change, until the pool has confirmed it. Ends this grain when the worker is
    /// no longer a member.
    /// </summary>
    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var reported = 0L;
        long? notMemberSince = null;
        var failed = false;
        while (true)
        {
            var (report, gone) = Read(state => (state.Report, state.IsGone));
            if (report.Version > reported)
            {
                try
                {
                    var isMember = await SendAsync(report, gone, cancellationToken).ConfigureAwait(false);
                    notMemberSince = isMember ? null : notMemberSince ?? _services.Clock.GetTimestamp();
                    reported = isMember || gone ? report.Version : reported;
                    failed = false;
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    if (!failed) // logged once, not at each attempt
                        Log.NotReported(_services.Log, Id, e.Message.Split('\n')[0]);
                    failed = true;
                    await Task.Delay(Retry, _services.Clock, cancellationToken).ConfigureAwait(false);
                    continue;
                }
            }
            if (notMemberSince is { } since && _services.Clock.GetElapsedTime(since) >= EndAfter)
            {
                Log.WriterEnds(_services.Log, Id);
                _removed.TrySetResult();
                return;
            }
            await _changed.WaitAsync(TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> SendAsync(WorkerReport report, bool gone, CancellationToken cancellationToken)
    {
        var pool = _services.Grains.GetGrain<IWorkerPoolGrain>(PoolKey.Of(report.Spec));
        if (gone)
        {
            await pool.Forget(Id, Registration).WaitAsync(cancellationToken).ConfigureAwait(false);
            return false;
        }
        return await pool.Report(report).WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
