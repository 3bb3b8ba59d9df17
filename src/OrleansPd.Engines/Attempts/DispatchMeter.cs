using System.Diagnostics.Metrics;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Durations of the stages of dispatched requests. The legs record them; they are read at a scrape, or through the instruments of
/// <see cref="DispatchTelemetry.Meter"/>.
/// </summary>
public sealed class DispatchMeter
{
    private static readonly double[] Waits = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly Histogram<double> _queueWait;
    private readonly Histogram<double> _prefill;
    private readonly Histogram<double> _kvWait;
    private readonly Histogram<double> _gap;

    public DispatchMeter(DispatchTelemetry telemetry)
    {
        ArgumentNullException.ThrowIfNull(telemetry);
        _queueWait = telemetry.Seconds("orleanspd.gateway.queue.wait", "From the request for a pair to its lease");
        _prefill = telemetry.Seconds("orleanspd.gateway.prefill.duration", "From sending to the prefill's good end");
        _kvWait = telemetry.Seconds("orleanspd.gateway.kv.wait", "From the prefill's end to decode's first event");
        _gap = telemetry.Seconds("orleanspd.gateway.token.gap", "Between events of a stream, once it has content");
    }

    /// <summary>From the request for a pair to its lease, in seconds; refusals included.</summary>
    public TimeBuckets QueueWait { get; } = new(Waits);

    /// <summary>From sending both legs to the prefill's good end, in seconds: queue, compute and transfer.</summary>
    public TimeBuckets Prefill { get; } = new(Waits);

    /// <summary>From the prefill's end to decode's first event, in seconds; 0 where decode was first.</summary>
    public TimeBuckets KvWait { get; } = new(Waits);

    /// <summary>
    /// Between two events of a stream that has content, in seconds; events that arrive together share the time.
    /// </summary>
    public TimeBuckets TokenGap { get; } = new(
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 5, 30);

    internal void QueueWaited(TimeSpan time) => Record(QueueWait, _queueWait, time);

    internal void Prefilled(TimeSpan time) => Record(Prefill, _prefill, time);

    internal void KvWaited(TimeSpan time) => Record(KvWait, _kvWait, time);

    internal void Gap(TimeSpan time, int events)
    {
        var each = time.TotalSeconds / events;
        TokenGap.Record(each, events);
        if (_gap.Enabled)
        {
            for (var i = 0; i < events; i++)
            {
                _gap.Record(each);
            }
        }
    }

    private static void Record(TimeBuckets buckets, Histogram<double> instrument, TimeSpan time)
    {
        buckets.Record(time.TotalSeconds);
        instrument.Record(time.TotalSeconds);
    }
}
