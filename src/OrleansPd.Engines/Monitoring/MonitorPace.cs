namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// How often the monitors of one process may read their workers, all together: what a fleet costs while nothing happens in it
/// should not grow with it. What is worth a look at once is looked at at once whatever the pace is. Called from any thread.
/// </summary>
public sealed class MonitorPace
{
    /// <summary>
    /// Readings of facts a second, together, 20: 200 workers every 10 s. One makes an engine ask its schedulers, and whoever
    /// reads it go through some 900 members.
    /// </summary>
    public const int FactsPerSecond = 20;

    /// <summary>
    /// Readings of load a second, together, 200: 400 workers every 2 s. One costs a busy process some 0.1 ms, so these a fiftieth
    /// of a core.
    /// </summary>
    public const int LoadsPerSecond = 200;

    private int _monitors;

    /// <summary>One more monitor has begun.</summary>
    public void Begin() => Interlocked.Increment(ref _monitors);

    /// <summary>A monitor has ended.</summary>
    public void End() => Interlocked.Decrement(ref _monitors);

    /// <summary>Time between readings of the facts of one worker: the interval, or longer where there are many workers.</summary>
    public TimeSpan Facts(TimeSpan interval) => Stretched(interval, FactsPerSecond);

    /// <summary>
    /// Time between readings of the load of one worker, and between looks whether it is there; as <see cref="Facts"/>.
    /// </summary>
    public TimeSpan Load(TimeSpan interval) => Stretched(interval, LoadsPerSecond);

    private TimeSpan Stretched(TimeSpan interval, int perSecond)
    {
        var least = TimeSpan.FromSeconds((double)Volatile.Read(ref _monitors) / perSecond);
        return interval > least ? interval : least;
    }
}
