namespace OrleansPd.Core.Admission;

/// <summary>Rate at which requests end, to compute Retry-After: counted over two intervals of ten seconds.</summary>
internal readonly record struct DrainRate(DateTimeOffset Since, int Count, int Before)
{
    private const int HalfSeconds = 10;

    public DrainRate Left(DateTimeOffset now)
    {
        var age = (now - Since).TotalSeconds;
        return age < HalfSeconds ? this with { Count = Count + 1 }
            : new(now, 1, age < 2 * HalfSeconds ? Count : 0);
    }

    /// <summary>Time until that many requests have ended, in whole seconds from 1 to 60.</summary>
    public TimeSpan TimeFor(int requests, DateTimeOffset now)
    {
        var seconds = Before > 0 ? HalfSeconds + (now - Since).TotalSeconds : Math.Max(1, (now - Since).TotalSeconds);
        var rate = Math.Max(Count + Before, 1) / Math.Max(1, seconds);
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(requests / rate), 1, 60));
    }
}
