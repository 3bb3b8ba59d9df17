namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Beats that all waits of a process share. A thousand workers are watched by thousands of waits, and each that ends alone wakes
/// the process, a timer's thread and one of the pool; those that end together are served together, where code and data are warm.
/// </summary>
internal static class SharedTick
{
    /// <summary>Time between beats: 100 ms, a twentieth of the shortest wait that keeps to them by default.</summary>
    public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Shorter waits end when they end: somebody waits for what they wait for.</summary>
    public static TimeSpan Shortest { get; } = TimeSpan.FromSeconds(1);

    /// <summary>The wait until the last beat within it: up to <see cref="Interval"/> shorter.</summary>
    /// <param name="clock">The time.</param>
    /// <param name="wait">What is to be waited for; left as it is when it is shorter than <see cref="Shortest"/>.</param>
    public static TimeSpan Within(TimeProvider clock, TimeSpan wait)
    {
        if (wait < Shortest)
        {
            return wait;
        }
        var end = clock.GetElapsedTime(0) + wait;
        return wait - TimeSpan.FromTicks(end.Ticks % Interval.Ticks);
    }
}
