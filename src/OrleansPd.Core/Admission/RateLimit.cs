namespace OrleansPd.Core.Admission;

/// <summary>A bucket of tokens that fills at a steady rate and holds one second's worth.</summary>
/// <param name="PerSecond">Tokens a second; 0 = no limit.</param>
/// <param name="Tokens">In the bucket at <paramref name="At"/>.</param>
/// <param name="At">Time of the count.</param>
internal readonly record struct RateLimit(int PerSecond, double Tokens, DateTimeOffset At)
{
    /// <summary>Takes a token, or returns the time until there is one.</summary>
    public bool TryTake(DateTimeOffset now, out RateLimit next, out TimeSpan wait)
    {
        if (PerSecond == 0)
        {
            (next, wait) = (this, TimeSpan.Zero);
            return true;
        }
        var tokens = Math.Min(PerSecond, Tokens + (Math.Max(0, (now - At).TotalSeconds) * PerSecond));
        var taken = tokens >= 1;
        next = this with { Tokens = taken ? tokens - 1 : tokens, At = now };
        wait = taken ? TimeSpan.Zero : TimeSpan.FromSeconds((1 - tokens) / PerSecond);
        return taken;
    }
}
