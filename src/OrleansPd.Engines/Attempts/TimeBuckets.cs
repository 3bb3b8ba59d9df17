namespace OrleansPd.Engines.Attempts;

/// <summary>Counts values into fixed buckets. Thread-safe, does not allocate.</summary>
/// <param name="bounds">Upper bounds, ascending; a last bucket without bound is added.</param>
public sealed class TimeBuckets(params double[] bounds)
{
    private readonly double[] _bounds = bounds;
    private readonly long[] _counts = new long[bounds.Length + 1];
    private long _sumMicros;

    public long Count => _counts.Sum();

    /// <summary>Sum of all values.</summary>
    public double Sum => Interlocked.Read(ref _sumMicros) / 1e6;

    public ReadOnlySpan<double> Bounds => _bounds;

    /// <summary>Values in a bucket alone, not in those below it; the last bucket has no bound.</summary>
    public long CountOf(int bucket) => Interlocked.Read(ref _counts[bucket]);

    /// <param name="times">How many values of this size, at least 1.</param>
    public void Record(double value, int times = 1)
    {
        var at = 0;
        while (at < _bounds.Length && value > _bounds[at])
        {
            at++;
        }
        Interlocked.Add(ref _counts[at], times);
        Interlocked.Add(ref _sumMicros, (long)(value * 1e6) * times);
    }
}
