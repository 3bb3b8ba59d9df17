using OrleansPd.Engines.Probes;

namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Monitors one worker while it is registered: reads its facts until it answers, proves it with a readiness check, then probes
/// it. An engine that was unreachable for any time is used again automatically.
/// </summary>
/// <param name="monitored">The worker.</param>
/// <param name="registered">The state at registration.</param>
/// <param name="probe">Probes its engine.</param>
/// <param name="options">Intervals and time limits.</param>
/// <param name="clock">The clock.</param>
/// <param name="random">Spreads the readings of workers that were registered together. Not shared.</param>
/// <param name="pace">Shared with the other monitors of the process.</param>
public sealed class WorkerMonitor(
    IMonitoredWorker monitored, WorkerState registered, IEngineProbe probe, ControlPlaneOptions options, TimeProvider clock,
    Random random, MonitorPace pace)
{
    private static readonly TimeSpan DrainPoll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan WithoutReport = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan MinReadingAge = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(2);
    private readonly AsyncSignal _signal = new(clock);
    private readonly AsyncSignal _loadSignal = new(clock);
    private readonly double _describeShare = 0.8 + (0.4 * random.NextDouble());
    private readonly double _firstHealthShare = random.NextDouble();
    private TimeSpan _backoff = MinPause;
    private long _describedAt;
    private long _reportedAt;
    private volatile bool _mayHaveRestarted;
    private volatile bool _isStale;

    public long Registration => registered.Registration;

    // The operator may have changed the key or the role since registration.
    private WorkerSpec Spec => Find()?.Spec ?? registered.Spec;

    /// <summary>Wakes the monitor after an event.</summary>
    /// <param name="legFailed">A leg failed on the engine: it may have been restarted.</param>
    public void Signal(bool legFailed)
    {
        if (legFailed)
        {
            _mayHaveRestarted = true;
            Volatile.Write(ref _reportedAt, 0);
        }
        _signal.Signal();
        if (Find() is null or { Stage: WorkerPhase.Draining })
            _loadSignal.Signal();
    }

    /// <summary>The engine's facts have changed: they are read at once, or as soon as the engine is ready.</summary>
    public void ReadAgain()
    {
        _isStale = true;
        _signal.Signal();
    }

    /// <summary>
    /// Runs until the worker is gone or the token is cancelled. If one of its loops fails, the others are stopped and the
    /// exception is thrown: the host logs it and stops, instead of a worker that is half watched.
    /// </summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        pace.Begin();
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task[] loops = [WatchAsync(stop.Token), HealthAsync(stop.Token), LoadAsync(stop.Token)];
            await foreach (var loop in Task.WhenEach(loops).ConfigureAwait(false))
            {
                if (loop.IsFaulted)
                    await stop.CancelAsync().ConfigureAwait(false);
            }
            await Task.WhenAll(loops).ConfigureAwait(false);
        }
        finally
        {
            pace.End();
        }
    }

    private WorkerState? Find() => monitored.Current;

    private void Apply(WorkerInput input) => monitored.Apply(input);

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (Find() is { Stage: not WorkerPhase.Gone } worker)
        {
            var pause = worker.Stage switch
            {
                WorkerPhase.Registered => await DescribeAsync(cancellationToken).ConfigureAwait(false),
                WorkerPhase.Probing => await ProveAsync(worker, cancellationToken).ConfigureAwait(false),
                WorkerPhase.Ready => await ProbeAsync(worker, cancellationToken).ConfigureAwait(false),
                _ => MaxPause,
            };
            if (pause > TimeSpan.Zero)
                await _signal.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<TimeSpan> DescribeAsync(CancellationToken cancellationToken)
    {
        var reading = await probe.DescribeAsync(Spec, cancellationToken).ConfigureAwait(false);
        if (reading.Facts is { } facts)
        {
            _describedAt = clock.GetTimestamp();
            _backoff = MinPause;
            Apply(new WorkerInput.Described(facts));
            return TimeSpan.Zero;
        }
        Apply(new WorkerInput.Missed(reading.Answer.Problem ?? "no answer", reading.Answer.Refused));
        return Backoff();
    }

    private async Task<TimeSpan> ProveAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        var hold = worker.HoldUntil - clock.GetUtcNow();
        if (hold > TimeSpan.Zero)
            return await IsAliveAsync(cancellationToken).ConfigureAwait(false) ? Min(hold, MaxPause) : Backoff();
        if (await TryReadinessCheckAsync(cancellationToken).ConfigureAwait(false) is { } good)
        {
            if (good)
            {
                _backoff = MinPause;
                return TimeSpan.Zero;
            }
            // The engine may have been restarted since it was read: checks of an epoch that has ended would always fail.
            if (clock.GetElapsedTime(_describedAt) < MinReadingAge
                || !await ReadAgainAsync(worker, whole: true, cancellationToken).ConfigureAwait(false))
            {
                _ = await IsAliveAsync(cancellationToken).ConfigureAwait(false);
            }
            return Backoff();
        }
        // No partner is available: a change of the fleet signals, and meanwhile the engine may stop.
        return await IsAliveAsync(cancellationToken).ConfigureAwait(false) ? MaxPause : Backoff();
    }

    private async Task<TimeSpan> ProbeAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        if (await TryReadinessCheckAsync(cancellationToken).ConfigureAwait(false) == true)
        {
            return TimeSpan.Zero; // its breaker is open: several good checks in a row close it
        }
        var interval = TimeSpan.FromSeconds(options.LivenessIntervalSecs);
        var age = clock.GetElapsedTime(_describedAt);
        var suspected = _isStale || (_mayHaveRestarted && age >= MinReadingAge);
        var described = pace.Facts(TimeSpan.FromSeconds(options.DescribeIntervalSecs)) * _describeShare;
        if (suspected || age >= described)
        {
            _mayHaveRestarted = _isStale = false;
            if (await ReadAgainAsync(worker, suspected, cancellationToken).ConfigureAwait(false))
                return interval;
        }
        var reported = HasReported(pace.Load(interval));
        if (reported || await IsAliveAsync(cancellationToken).ConfigureAwait(false))
        {
            _backoff = MinPause;
            // The load loop reads again, or signals a failure. The checks of an open breaker have their own times, without a
            // signal.
            return monitored.Phase != WorkerPhase.Ready ? interval
                : reported && described > age ? Max(interval, Min(described - age, pace.Load(interval) * 4))
                : pace.Load(interval);
        }
        return Backoff();
    }

    /// <summary>
    /// The engine has just reported its load, and nothing has failed since: a liveness probe would be redundant.
    /// </summary>
    private bool HasReported(TimeSpan within)
    {
        var reported = Volatile.Read(ref _reportedAt);
        if (reported == 0 || clock.GetElapsedTime(reported) >= within)
            return false;
        Apply(WorkerInput.Alive.Instance);
        return true;
    }

    /// <returns>False: the engine did not answer.</returns>
    private async Task<bool> ReadAgainAsync(WorkerState worker, bool whole, CancellationToken cancellationToken)
    {
        _describedAt = clock.GetTimestamp();
        var reading = whole
            ? await probe.DescribeAsync(Spec, cancellationToken).ConfigureAwait(false)
            : await probe.DescribeAgainAsync(Spec, worker.Facts, cancellationToken).ConfigureAwait(false);
        if (reading.Facts is not { } facts)
            return false;
        var isRestarted = ProcessIdentity.Same(worker.Facts.ProcessIdentity, facts.ProcessIdentity) == false;
        Apply(new WorkerInput.Described(isRestarted ? facts : facts.Over(worker.Facts)));
        return true;
    }

    private async Task<bool> IsAliveAsync(CancellationToken cancellationToken)
    {
        var answer = await probe.LivenessAsync(Spec, cancellationToken).ConfigureAwait(false);
        Apply(answer.IsGood ? WorkerInput.Alive.Instance : new WorkerInput.Missed(answer.Problem!, answer.Refused));
        return answer.IsGood;
    }

    /// <summary>Null: no check was due.</summary>
    private async Task<bool?> TryReadinessCheckAsync(CancellationToken cancellationToken)
    {
        if (await monitored.BeginReadinessCheckAsync(cancellationToken).ConfigureAwait(false) is not { } check)
            return null;
        bool? good = null;
        string? reason = null;
        try
        {
            var answer = await probe.GenerateAsync(check, cancellationToken).ConfigureAwait(false);
            (good, reason) = (answer.IsGood, answer.Problem);
        }
        finally
        {
            await monitored.EndReadinessCheckAsync(check, good, reason).ConfigureAwait(false);
        }
        return good;
    }

    private async Task HealthAsync(CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromSeconds(options.HealthIntervalSecs);
        var pause = interval * _firstHealthShare;
        while (interval > TimeSpan.Zero && Find() is { Stage: not WorkerPhase.Gone })
        {
            await Task.Delay(SharedTick.Within(clock, pause), clock, cancellationToken).ConfigureAwait(false);
            pause = interval;
            if (Find() is { Stage: WorkerPhase.Ready })
            {
                var answer = await probe.HealthAsync(Spec, cancellationToken).ConfigureAwait(false);
                Apply(new WorkerInput.Health(answer.Problem));
            }
        }
    }

    /// <summary>
    /// Reads the load, each worker at its own interval; a draining one every 250 ms, because an operator waits for it.
    /// </summary>
    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromSeconds(options.LoadIntervalSecs);
        // Without readings it waits for a drain, which signals.
        var pause = interval > TimeSpan.Zero ? interval * random.NextDouble() : WithoutReport;
        while (Find() is { Stage: not WorkerPhase.Gone } worker)
        {
            var drains = worker.Stage == WorkerPhase.Draining;
            if (drains || (worker.Stage == WorkerPhase.Ready && interval > TimeSpan.Zero))
            {
                var askedAt = clock.GetUtcNow();
                var load = await probe.LoadAsync(worker.Spec, cancellationToken).ConfigureAwait(false);
                monitored.Loaded(load with { QueriedAt = askedAt });
                Volatile.Write(ref _reportedAt, load.Problem is null ? clock.GetTimestamp() : 0);
                if (load.Problem is not null && !drains)
                {
                    // No answer may be the first sign of a failure.
                    _signal.Signal();
                }
                pause = load.Problem is null && interval > TimeSpan.Zero
                    ? pace.Load(interval) * (0.8 + (0.2 * random.NextDouble())) : WithoutReport;
            }
            await _loadSignal.WaitAsync(drains ? DrainPoll : Max(pause, MinPause), cancellationToken).ConfigureAwait(false);
        }
    }

    private TimeSpan Backoff()
    {
        var pause = _backoff;
        _backoff = Min(_backoff * 2, MaxPause);
        return pause;
    }

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}
