namespace OrleansPd.Engines.Attempts;

/// <content>The time limits of an attempt: first output, silence of a stream, whole request. One timer serves all.</content>
internal sealed partial class Attempt
{
    void ILimited.OnLimit() => RearmLimit();

    /// <summary>
    /// Sets the timer for the limit that counts now, and ends the attempt where it is over. Called by the timer, which may be
    /// early, and before anything that may wait after the first output: the timer is then still set for the first-output limit.
    /// Events of a stream do not touch the timer; when it fires, the time since the last event is measured.
    /// </summary>
    private void RearmLimit()
    {
        var left = Left(out var stalled);
        if (left <= TimeSpan.Zero)
        {
            Raise(stalled ? DispatchEvent.Stalled : DispatchEvent.OutOfTime);
            return;
        }
        _limit!.Set(this, left);
    }

    /// <summary>Time until the next limit, if no event arrives.</summary>
    private TimeSpan Left(out bool stalled)
    {
        stalled = false;
        var left = _services.TimeLeft(_request);
        var firstOutput = _report.FirstOutputAt;
        if (firstOutput == 0)
        {
            var first = _services.Options.FirstOutputTimeout - Elapsed;
            return first < left ? first : left;
        }
        var idle = _services.Options.StreamIdleTimeout;
        if (left > TimeSpan.Zero && idle > TimeSpan.Zero)
        {
            var quiet = idle - _services.Clock.GetElapsedTime(Math.Max(_lease.LastProgress, firstOutput));
            stalled = quiet <= TimeSpan.Zero;
            return quiet < left ? quiet : left;
        }
        return left;
    }
}
