namespace OrleansPd.Simulator.Ranks;

/// <summary>Turns time of the model into time of the clock.</summary>
internal sealed class Pacer(TimeProvider clock, double speed, FaultControl faults, int rank)
{
    /// <summary>Timers are no finer than this; shorter waits are saved up.</summary>
    private static readonly TimeSpan Finest = TimeSpan.FromMilliseconds(1);

    public TimeSpan Scale(TimeSpan model)
    {
        var factor = faults.Peek(FaultKind.Slow, rank)?.Factor ?? 1;
        return speed <= 0
            ? factor > 1 && faults.Peek(FaultKind.Slow, rank) is not null ? TimeSpan.FromMilliseconds(factor) : TimeSpan.Zero
            : model * factor / speed;
    }

    public async ValueTask DelayAsync(TimeSpan model, CancellationToken ct)
    {
        var wait = Scale(model);
        if (wait >= Finest)
            await Task.Delay(wait, clock, ct);
    }

    /// <summary>Waits so that steps of <paramref name="model"/> length follow each other without drift.</summary>
    public async ValueTask<long> StepAsync(long due, TimeSpan model, CancellationToken ct)
    {
        var wait = Scale(model);
        var now = clock.GetTimestamp();
        if (wait == TimeSpan.Zero)
        {
            await Task.Yield();
            return now;
        }
        // More than one step late: the rank was idle, or the machine is too slow. Do not catch up.
        var next = (due < now - Ticks(wait) ? now : due) + Ticks(wait);
        var left = clock.GetElapsedTime(now, next);
        if (left >= Finest)
            await Task.Delay(left, clock, ct);
        else
            await Task.Yield();
        return next;
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * clock.TimestampFrequency);
}
