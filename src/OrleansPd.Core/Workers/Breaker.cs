namespace OrleansPd.Core.Workers;

/// <summary>
/// Circuit breaker of one worker. Closed: counts outcomes. Open: admits nothing until <see cref="RetryAt"/>, then one half-open
/// request at a time. Each of them has a time limit, so that one without an outcome cannot keep the breaker open. The default
/// value is closed.
/// </summary>
public readonly record struct Breaker
{
    public bool IsOpen { get; private init; }

    /// <summary>Consecutive failures while closed.</summary>
    public int Strikes { get; private init; }

    /// <summary>Consecutive successful half-open requests while open.</summary>
    public int Wins { get; private init; }

    /// <summary>While open: when the next half-open request may start.</summary>
    public DateTimeOffset RetryAt { get; private init; }

    // The window has two halves; the older one is dropped when the newer one is over. At most half a window inaccurate.
    private DateTimeOffset HalfStart { get; init; }
    private int Good { get; init; }
    private int Bad { get; init; }
    private int OlderGood { get; init; }
    private int OlderBad { get; init; }

    public Breaker Succeeded(BreakerLimits limits, DateTimeOffset now)
    {
        if (IsOpen)
        {
            return this; // the leg started before the breaker opened
        }
        var rolled = Roll(limits, now);
        return rolled with { Strikes = 0, Good = rolled.Good + 1 };
    }

    public Breaker Failed(BreakerLimits limits, DateTimeOffset now)
    {
        if (IsOpen)
            return this;
        var rolled = Roll(limits, now);
        var next = rolled with { Strikes = Strikes + 1, Bad = rolled.Bad + 1 };
        var bad = next.Bad + next.OlderBad;
        var all = bad + next.Good + next.OlderGood;
        return next.Strikes >= limits.Failures || (all >= limits.MinRequests && bad >= limits.Rate * all)
            ? Opened(limits, now)
            : next;
    }

    /// <summary>Opens it regardless of the counts.</summary>
    public static Breaker Opened(BreakerLimits limits, DateTimeOffset now) =>
        new() { IsOpen = true, RetryAt = now + limits.Open };

    /// <summary>
    /// True: one half-open request may start. Report its end by <see cref="HalfOpenEnded"/>; else it times out.
    /// </summary>
    public bool TryHalfOpen(BreakerLimits limits, DateTimeOffset now, out Breaker next)
    {
        var granted = IsOpen && now >= RetryAt;
        next = granted ? this with { RetryAt = now + limits.HalfOpenTimeout } : this;
        return granted;
    }

    /// <param name="good">Null: cancelled, no outcome.</param>
    public Breaker HalfOpenEnded(BreakerLimits limits, bool? good, DateTimeOffset now) => (IsOpen, good) switch
    {
        (false, _) => this,
        (_, null) => this with { RetryAt = now },
        (_, false) => Opened(limits, now),
        (_, true) => Wins + 1 >= limits.Successes ? default : this with { Wins = Wins + 1, RetryAt = now },
    };

    private Breaker Roll(BreakerLimits limits, DateTimeOffset now)
    {
        var half = limits.Window / 2;
        var age = now - HalfStart;
        if (age < half)
            return this;
        return age < limits.Window
            ? this with { HalfStart = now, OlderGood = Good, OlderBad = Bad, Good = 0, Bad = 0 }
            : this with { HalfStart = now, OlderGood = 0, OlderBad = 0, Good = 0, Bad = 0 };
    }
}
