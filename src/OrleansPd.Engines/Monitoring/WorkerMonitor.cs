using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Watches one worker for as long as it is registered: reads it until it answers, proves it by a generation, then looks after
/// it. However long an engine was away, it is used again without anybody's help.
/// </summary>
/// <param name="kept">The worker.</param>
/// <param name="registered">The worker as it was registered.</param>
/// <param name="probe">Asks its engine.</param>
/// <param name="options">How often, and how patiently.</param>
/// <param name="clock">The time.</param>
/// <param name="random">Spreads the readings, so that workers that came together are not read together; nobody else uses
/// it.</param>
/// <param name="pace">Shared with the other monitors of the process.</param>
public sealed class WorkerMonitor(
    IMonitoredWorker kept, WorkerState registered, IEngineProbe probe, ControlPlaneOptions options, TimeProvider clock,
    Random random, MonitorPace pace)
{
    private static readonly TimeSpan DrainPoll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Untold = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan MayBeAnother = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);
    private readonly AsyncSignal _signal = new(clock);
    private readonly AsyncSignal _loadSignal = new(clock);
    private readonly double _describeShare = 0.8 + (0.4 * random.NextDouble());
    private readonly double _firstHealthShare = random.NextDouble();
    private TimeSpan _backoff = First;
    private long _described;
    private long _heard;
    private volatile bool _doubtful;
    private volatile bool _stale;

    public long Registration => registered.Registration;

    // What the operator said may have been changed since: a key, a role.
    private WorkerSpec Spec => Find()?.Spec ?? registered.Spec;

    /// <summary>Something happened that is worth a look at once.</summary>
    /// <param name="doubtful">A leg failed there: it may be another process by now.</param>
    public void Signal(bool doubtful)
    {
        if (doubtful)
        {
            _doubtful = true;
            Volatile.Write(ref _heard, 0);
        }
        _signal.Signal();
        if (Find() is null or { Stage: WorkerPhase.Draining })
        {
            _loadSignal.Signal();
        }
    }

    /// <summary>
    /// The engine tells something else of itself than when it was read: it is read at once, or as soon as it is ready.
    /// </summary>
    public void ReadAgain()
    {
        _stale = true;
        _signal.Signal();
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        pace.Begin();
        try
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task[] loops = [LifeAsync(ending.Token), HealthAsync(ending.Token), LoadAsync(ending.Token)];
            await foreach (var loop in Task.WhenEach(loops).ConfigureAwait(false))
            {
                if (loop.IsFaulted)
                {
                    await ending.CancelAsync().ConfigureAwait(false); // else the failure is not seen until the others end
                }
            }
            await Task.WhenAll(loops).ConfigureAwait(false);
        }
        finally
        {
            pace.End();
        }
    }

    private WorkerState? Find() => kept.Current;

    private void Apply(WorkerInput input) => kept.Apply(input);

    private async Task LifeAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (Find() is { Stage: not WorkerPhase.Gone } worker)
        {
            var pause = worker.Stage switch
            {
                WorkerPhase.Registered => await DescribeAsync(cancellationToken).ConfigureAwait(false),
                WorkerPhase.Probing => await ProveAsync(worker, cancellationToken).ConfigureAwait(false),
                WorkerPhase.Ready => await LookAfterAsync(worker, cancellationToken).ConfigureAwait(false),
                _ => Longest,
            };
            if (pause > TimeSpan.Zero)
            {
                await _signal.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<TimeSpan> DescribeAsync(CancellationToken cancellationToken)
    {
        var reading = await probe.DescribeAsync(Spec, cancellationToken).ConfigureAwait(false);
        if (reading.Facts is { } facts)
        {
            _described = clock.GetTimestamp();
            _backoff = First;
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
        {
            return await StillThereAsync(cancellationToken).ConfigureAwait(false) ? Min(hold, Longest) : Backoff();
        }
        if (await TryReadinessCheckAsync(cancellationToken).ConfigureAwait(false) is { } good)
        {
            if (good)
            {
                _backoff = First;
                return TimeSpan.Zero;
            }
            // It may have been restarted since it was read: what is tried would then be a life that is over, and fail for ever.
            if (clock.GetElapsedTime(_described) < MayBeAnother
                || !await ReadAgainAsync(worker, whole: true, cancellationToken).ConfigureAwait(false))
            {
                _ = await StillThereAsync(cancellationToken).ConfigureAwait(false);
            }
            return Backoff();
        }
        // Nobody to try with: a change of the fleet rings, and meanwhile the engine may vanish.
        return await StillThereAsync(cancellationToken).ConfigureAwait(false) ? Longest : Backoff();
    }

    private async Task<TimeSpan> LookAfterAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        if (await TryReadinessCheckAsync(cancellationToken).ConfigureAwait(false) == true)
        {
            return TimeSpan.Zero; // its breaker is open: a few good trials in a row close it
        }
        var interval = TimeSpan.FromSeconds(options.LivenessIntervalSecs);
        var age = clock.GetElapsedTime(_described);
        var suspected = _stale || (_doubtful && age >= MayBeAnother);
        var described = pace.Facts(TimeSpan.FromSeconds(options.DescribeIntervalSecs)) * _describeShare;
        if (suspected || age >= described)
        {
            _doubtful = _stale = false;
            if (await ReadAgainAsync(worker, suspected, cancellationToken).ConfigureAwait(false))
            {
                return interval;
            }
        }
        var heard = WasHeard(pace.Load(interval));
        if (heard || await StillThereAsync(cancellationToken).ConfigureAwait(false))
        {
            _backoff = First;
            // Whoever is heard is heard again, or its bell rings. Trials of an open breaker are due at their own time: nobody
            // rings for them.
            return kept.Phase != WorkerPhase.Ready ? interval
                : heard && described > age ? Max(interval, Min(described - age, pace.Load(interval) * 4))
                : pace.Load(interval);
        }
        return Backoff();
    }

    /// <summary>
    /// It has told its load just now, and nothing has gone wrong since: to ask whether it is there would be to ask twice.
    /// </summary>
    private bool WasHeard(TimeSpan within)
    {
        var heard = Volatile.Read(ref _heard);
        if (heard == 0 || clock.GetElapsedTime(heard) >= within)
        {
            return false;
        }
        Apply(WorkerInput.Alive.Instance);
        return true;
    }

    /// <returns>False: it did not answer.</returns>
    private async Task<bool> ReadAgainAsync(WorkerState worker, bool whole, CancellationToken cancellationToken)
    {
        _described = clock.GetTimestamp();
        var reading = whole
            ? await probe.DescribeAsync(Spec, cancellationToken).ConfigureAwait(false)
            : await probe.DescribeAgainAsync(Spec, worker.Facts, cancellationToken).ConfigureAwait(false);
        if (reading.Facts is not { } facts)
        {
            return false;
        }
        var isAnother = ProcessIdentity.Same(worker.Facts.ProcessIdentity, facts.ProcessIdentity) == false;
        Apply(new WorkerInput.Described(isAnother ? facts : facts.Over(worker.Facts)));
        return true;
    }

    private async Task<bool> StillThereAsync(CancellationToken cancellationToken)
    {
        var answer = await probe.LivenessAsync(Spec, cancellationToken).ConfigureAwait(false);
        Apply(answer.IsGood ? WorkerInput.Alive.Instance : new WorkerInput.Missed(answer.Problem!, answer.Refused));
        return answer.IsGood;
    }

    /// <summary>Null: none was due.</summary>
    private async Task<bool?> TryReadinessCheckAsync(CancellationToken cancellationToken)
    {
        if (await kept.BeginReadinessCheckAsync(cancellationToken).ConfigureAwait(false) is not { } trial)
        {
            return null;
        }
        bool? good = null;
        string? reason = null;
        try
        {
            var answer = await probe.GenerateAsync(trial, cancellationToken).ConfigureAwait(false);
            (good, reason) = (answer.IsGood, answer.Problem);
        }
        finally
        {
            await kept.EndReadinessCheckAsync(trial, good, reason).ConfigureAwait(false);
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

    /// <summary>Reads the load, each worker at its own beat; one that drains more often, because somebody waits for it.</summary>
    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromSeconds(options.LoadIntervalSecs);
        // Without readings it waits for a drain, which rings.
        var pause = interval > TimeSpan.Zero ? interval * random.NextDouble() : Untold;
        while (Find() is { Stage: not WorkerPhase.Gone } worker)
        {
            var drains = worker.Stage == WorkerPhase.Draining;
            if (drains || (worker.Stage == WorkerPhase.Ready && interval > TimeSpan.Zero))
            {
                var asked = clock.GetUtcNow();
                var load = await probe.LoadAsync(worker.Spec, cancellationToken).ConfigureAwait(false);
                kept.Loaded(load with { AskedAt = asked });
                Volatile.Write(ref _heard, load.Problem is null ? clock.GetTimestamp() : 0);
                if (load.Problem is not null && !drains)
                {
                    // No answer may be the first sign that it is gone.
                    _signal.Signal();
                }
                pause = load.Problem is null && interval > TimeSpan.Zero
                    ? pace.Load(interval) * (0.8 + (0.2 * random.NextDouble())) : Untold;
            }
            await _loadSignal.WaitAsync(drains ? DrainPoll : Max(pause, First), cancellationToken).ConfigureAwait(false);
        }
    }

    private TimeSpan Backoff()
    {
        var pause = _backoff;
        _backoff = Min(_backoff * 2, Longest);
        return pause;
    }

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}
