namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Limits how often the monitors of one process read their workers in total, so that the cost of an idle fleet does not grow with
/// its size. Readings because of an event are not limited. Thread-safe.
/// </summary>
public sealed class MonitorPace
{
    /// <summary>
    /// Maximum of readings of facts a second in total, 20: 200 workers every 10 s. For one, an engine queries its schedulers and
    /// the reader parses about 900 members.
    /// </summary>
    public const int FactsPerSecond = 20;

    /// <summary>
    /// Maximum of readings of load a second in total, 200: 400 workers every 2 s. One costs a busy process about 0.1 ms, these 2
    /// % of a core.
    /// </summary>
    public const int LoadsPerSecond = 200;

    private int _monitors;

    /// <summary>A monitor has begun.</summary>
    public void Begin() => Interlocked.Increment(ref _monitors);

    /// <summary>A monitor has ended.</summary>
    public void End() => Interlocked.Decrement(ref _monitors);

    /// <summary>Time between readings of the facts of one worker: the interval, or longer with many workers.</summary>
    public TimeSpan Facts(TimeSpan interval) => Stretched(interval, FactsPerSecond);

    /// <summary>
    /// Time between readings of the load of one worker, and between its liveness probes; as <see cref="Facts"/>.
    /// </summary>
    public TimeSpan Load(TimeSpan interval) => Stretched(interval, LoadsPerSecond);

    private TimeSpan Stretched(TimeSpan interval, int perSecond)
    {
        var min = TimeSpan.FromSeconds((double)Volatile.Read(ref _monitors) / perSecond);
        return interval > min ? interval : min;
    }
}
