using System.Diagnostics.Metrics;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Counts of durations by bucket. Passes values on to its instrument only while a listener is enabled: .NET has no observable
/// histogram. Thread-safe.
/// </summary>
public sealed class TimeHistogram
{
    private readonly Histogram<double> _instrument;
    private readonly double[] _bounds;
    private readonly long[] _counts;
    private long _sumMicros;

    internal TimeHistogram(Histogram<double> instrument, double[] bounds) =>
        (_instrument, _bounds, _counts) = (instrument, bounds, new long[bounds.Length + 1]);

    /// <summary>Sum of all values in seconds.</summary>
    public double Sum => Interlocked.Read(ref _sumMicros) / 1e6;

    public ReadOnlySpan<double> Bounds => _bounds;

    /// <summary>Values in this bucket alone, without lower buckets; the last bucket has no upper bound.</summary>
    public long CountOf(int bucket) => Interlocked.Read(ref _counts[bucket]);

    /// <param name="seconds">The value.</param>
    /// <param name="times">Number of values of this size, at least 1.</param>
    /// <param name="tags">Tags of the instrument; the buckets have none.</param>
    public void Record(double seconds, int times = 1, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var at = 0;
        while (at < _bounds.Length && seconds > _bounds[at])
            at++;
        Interlocked.Add(ref _counts[at], times);
        Interlocked.Add(ref _sumMicros, (long)(seconds * 1e6) * times);
        if (_instrument.Enabled)
        {
            for (var i = 0; i < times; i++)
                _instrument.Record(seconds, tags);
        }
    }
}
