using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Load;

/// <summary>
/// Requests of others on a rank, as far as its engine's figures show them: what the engine has beyond our own count. It is
/// added to our count and never replaces it. It fades by itself, so that an engine that stops telling is not avoided for ever.
/// </summary>
/// <param name="Requests">Requests of others when they were last seen.</param>
/// <param name="TokensEach">Mean tokens of a request there.</param>
/// <param name="SeenAt">When that was.</param>
/// <param name="Tick">The engine's clock in the last figures, where it tells one.</param>
public readonly record struct ForeignLoad(int Requests, long TokensEach, DateTimeOffset SeenAt, double? Tick)
{
    /// <summary>
    /// Time in which what is not seen again fades to the half: twice the longest time between readings in a fleet of 1,000.
    /// </summary>
    public static TimeSpan HalfLife { get; } = TimeSpan.FromSeconds(10);

    private const long MostTokensEach = 1 << 20;

    /// <param name="reading">What the engine told.</param>
    /// <param name="own">Most requests of ours that its figures can contain.</param>
    /// <param name="now">The time.</param>
    public ForeignLoad Read(in RankReading reading, int own, DateTimeOffset now)
    {
        // Without a timestamp, figures are fresh when the engine's clock in them has moved.
        var fresh = reading.Age is { } age ? age <= EngineLoad.Fresh : reading.Tick is { } tick && Tick is { } before
            && tick > before;
        if (!fresh)
        {
            return this with { Tick = reading.Tick };
        }
        var seen = Math.Max(0, reading.Requests - own);
        var faded = At(now);
        return new ForeignLoad(
            // More is believed at once, less by halves: traffic of others comes and goes between two readings.
            seen >= faded ? seen : seen + ((faded - seen) / 2),
            Math.Clamp(reading.Tokens / Math.Max(1, reading.Requests), 0, MostTokensEach),
            now,
            reading.Tick);
    }

    /// <summary>Requests of others that are still reckoned with.</summary>
    public int At(DateTimeOffset now)
    {
        var halves = Requests == 0 ? 0 : (now - SeenAt) / HalfLife;
        return halves switch
        {
            <= 0.5 => Requests, // one missed reading changes nothing
            > 30 => 0,
            _ => (int)(Requests * Math.Pow(2, -halves)),
        };
    }
}
