using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// How long each stage of a dispatched request took. Written by the legs, read by whoever shows it: at a scrape, or through the
/// instruments of <see cref="DispatchTelemetry.Meter"/>.
/// </summary>
public sealed class DispatchMeter
{
    private static readonly double[] Waits = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly Histogram<double> _queueWait = DispatchTelemetry.Seconds(
        "orleanspd.gateway.queue.wait", "From the wish for a pair to its lease");
    private readonly Histogram<double> _prefill = DispatchTelemetry.Seconds(
        "orleanspd.gateway.prefill.duration", "From sending to the prefill's good end");
    private readonly Histogram<double> _kvWait = DispatchTelemetry.Seconds(
        "orleanspd.gateway.kv.wait", "From the prefill's end to decode's first event");
    private readonly Histogram<double> _gap = DispatchTelemetry.Seconds(
        "orleanspd.gateway.token.gap", "Between events of a stream, once it has content");

    /// <summary>From the wish for a pair to its lease, in seconds; refusals included.</summary>
    public TimeBuckets QueueWait { get; } = new(Waits);

    /// <summary>From sending both legs to the prefill's good end, in seconds: queue, compute and transfer.</summary>
    public TimeBuckets Prefill { get; } = new(Waits);

    /// <summary>From the prefill's end to decode's first event, in seconds; 0 where decode was first.</summary>
    public TimeBuckets KvWait { get; } = new(Waits);

    /// <summary>Between two events of a stream that has content, in seconds; what arrives together shares its time.</summary>
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

/// <summary>Names under which traces and metrics of the way to the engines can be had.</summary>
public static class DispatchTelemetry
{
    public const string Name = "OrleansPd.Gateway";

    /// <summary>A span for each leg, under the span of its request.</summary>
    public static ActivitySource Source { get; } = new(Name);

    public static Meter Meter { get; } = new(Name);

    /// <summary>
    /// Share of the requests without a trace of their client's that get one, 0-1. Default 1: whoever listens decides. They are
    /// drawn before their spans are made, since a span that is dropped later costs nearly as much as one that is kept.
    /// </summary>
    public static double SampleRatio { get; set; } = 1;

    internal static Histogram<double> Seconds(string name, string help) => Meter.CreateHistogram<double>(name, "s", help);
}
