namespace OrleansPd.Core.Workers;

/// <summary>
/// Closed: counts. Open: lets nothing through until <see cref="RetryAt"/>, then one trial at a time, each under a lease that
/// runs out, so that a trial which never reports cannot keep it open. The default value is closed.
/// </summary>
public readonly record struct Breaker
{
    public bool IsOpen { get; private init; }

    /// <summary>Failures in a row while closed.</summary>
    public int Strikes { get; private init; }

    /// <summary>Good trials in a row while open.</summary>
    public int Wins { get; private init; }

    /// <summary>While open: when the next trial may start, or when the lease of the running one ends.</summary>
    public DateTimeOffset RetryAt { get; private init; }

    // The window is two halves, the older one dropped when the newer is full: cheap, and at most half a window out.
    private DateTimeOffset HalfStart { get; init; }

    private int Good { get; init; }

    private int Bad { get; init; }

    private int OlderGood { get; init; }

    private int OlderBad { get; init; }

    public Breaker Succeeded(BreakerLimits limits, DateTimeOffset now)
    {
        if (IsOpen)
        {
            return this; // began before it opened: says nothing about now
        }
        var rolled = Roll(limits, now);
        return rolled with { Strikes = 0, Good = rolled.Good + 1 };
    }

    public Breaker Failed(BreakerLimits limits, DateTimeOffset now)
    {
        if (IsOpen)
        {
            return this;
        }
        var rolled = Roll(limits, now);
        var next = rolled with { Strikes = Strikes + 1, Bad = rolled.Bad + 1 };
        var bad = next.Bad + next.OlderBad;
        var all = bad + next.Good + next.OlderGood;
        return next.Strikes >= limits.Failures || (all >= limits.MinRequests && bad >= limits.Rate * all)
            ? Opened(limits, now)
            : next;
    }

    /// <summary>Opens it whatever was counted.</summary>
    public static Breaker Opened(BreakerLimits limits, DateTimeOffset now) =>
        new() { IsOpen = true, RetryAt = now + limits.Open };

    /// <summary>True: one trial may start; it must be reported by <see cref="TrialEnded"/> or its lease runs out.</summary>
    public bool TryHalfOpen(BreakerLimits limits, DateTimeOffset now, out Breaker next)
    {
        var granted = IsOpen && now >= RetryAt;
        next = granted ? this with { RetryAt = now + limits.TrialLease } : this;
        return granted;
    }

    /// <param name="limits">The limits.</param>
    /// <param name="good">Null: the trial was called off and says nothing.</param>
    /// <param name="now">The time.</param>
    public Breaker TrialEnded(BreakerLimits limits, bool? good, DateTimeOffset now) => (IsOpen, good) switch
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
        {
            return this;
        }
        return age < limits.Window
            ? this with { HalfStart = now, OlderGood = Good, OlderBad = Bad, Good = 0, Bad = 0 }
            : this with { HalfStart = now, OlderGood = 0, OlderBad = 0, Good = 0, Bad = 0 };
    }
}
