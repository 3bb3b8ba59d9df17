using System.Numerics;

namespace OrleansPd.Tools.Replay;

/// <summary>
/// Times in bounded memory: exact up to <see cref="ExactSamples"/>, then in buckets whose width is under 1 % of their value.
/// Safe for many writers.
/// </summary>
internal sealed class LatencyHistogram
{
    public const int ExactSamples = 4096;

    private const int Steps = 128;   // buckets per doubling: a width of 1/128 of the value at most
    private const int StepBits = 7;

    private readonly Lock _gate = new();
    private List<long>? _exact = [];
    private long[]? _buckets;
    private long _count, _max;
    private double _sum;

    public void Record(TimeSpan time, int times = 1)
    {
        var ticks = Math.Max(0, time.Ticks);
        lock (_gate)
        {
            _count += times;
            _sum += (double)ticks * times;
            _max = Math.Max(_max, ticks);
            if (_exact is not null && _exact.Count + times <= ExactSamples)
            {
                for (var i = 0; i < times; i++)
                    _exact.Add(ticks);

                return;
            }

            Spill();
            _buckets![BucketOf(ticks)] += times;
        }
    }

    public Distribution Summarize()
    {
        lock (_gate)
        {
            if (_count == 0)
                return Distribution.None;

            var sorted = _exact?.Order().ToArray();
            return new(_count, TimeSpan.FromTicks((long)(_sum / _count)), At(0.5), At(0.9), At(0.99), TimeSpan.FromTicks(_max));

            TimeSpan At(double share)
            {
                // Nearest rank: the smallest value that at least this share of all values does not exceed.
                var rank = Math.Max(1, (long)Math.Ceiling(share * _count));
                return TimeSpan.FromTicks(sorted is null ? Math.Min(_max, ValueAt(rank)) : sorted[rank - 1]);
            }
        }
    }

    private void Spill()
    {
        if (_exact is null)
            return;

        _buckets = new long[(64 - StepBits) * Steps];
        foreach (var ticks in _exact)
            _buckets[BucketOf(ticks)]++;

        _exact = null;
    }

    private long ValueAt(long rank)
    {
        var seen = 0L;
        for (var bucket = 0; bucket < _buckets!.Length; bucket++)
        {
            seen += _buckets[bucket];
            if (seen >= rank)
                return MiddleOf(bucket);
        }

        return _max;
    }

    /// <summary>
    /// Values below two times <see cref="Steps"/> have a bucket each; above, each doubling has <see cref="Steps"/>.
    /// </summary>
    private static int BucketOf(long ticks)
    {
        var shift = Math.Max(0, 63 - BitOperations.LeadingZeroCount((ulong)ticks | 1) - StepBits);
        return (shift * Steps) + (int)(ticks >> shift);
    }

    private static long MiddleOf(int bucket)
    {
        var shift = Math.Max(0, (bucket / Steps) - 1);
        var low = (long)(bucket - (shift * Steps)) << shift;
        return low + ((1L << shift) / 2);
    }
}

/// <summary>Mean, percentiles and maximum of many times.</summary>
internal sealed record Distribution(long Count, TimeSpan Mean, TimeSpan P50, TimeSpan P90, TimeSpan P99, TimeSpan Max)
{
    public static Distribution None { get; } = new(0, default, default, default, default, default);
}
