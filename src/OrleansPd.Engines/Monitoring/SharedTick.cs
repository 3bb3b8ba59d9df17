namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Coalesces the waits of a process to common ticks. A thousand workers cause thousands of waits, and each that ends alone wakes
/// the process, a timer thread and a pool thread; waits that end together run together, with warm caches.
/// </summary>
internal static class SharedTick
{
    /// <summary>Time between ticks: 100 ms, 1/20 of the shortest default wait that uses them.</summary>
    public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Shorter waits are not coalesced: a request may wait for their result.</summary>
    public static TimeSpan Shortest { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Shortens a wait to the last tick within it, by at most <see cref="Interval"/>.</summary>
    /// <param name="clock">The time.</param>
    /// <param name="wait">The wait; unchanged when it is shorter than <see cref="Shortest"/>.</param>
    public static TimeSpan Within(TimeProvider clock, TimeSpan wait)
    {
        if (wait < Shortest)
            return wait;
        var end = clock.GetElapsedTime(0) + wait;
        return wait - TimeSpan.FromTicks(end.Ticks % Interval.Ticks);
    }
}
