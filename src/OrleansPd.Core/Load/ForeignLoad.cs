namespace OrleansPd.Core.Load;

/// <summary>
/// Requests of other clients on a rank: the engine's reported count minus our own. It is added to our count and never replaces
/// it. It fades automatically, so that an engine that stops reporting is not avoided for ever.
/// </summary>
/// <param name="Requests">Requests of others in the last report.</param>
/// <param name="TokensEach">Mean tokens of a request there.</param>
/// <param name="SeenAt">Time of that report.</param>
/// <param name="Tick">The engine's clock in the last report, if it has one.</param>
public readonly record struct ForeignLoad(int Requests, long TokensEach, DateTimeOffset SeenAt, double? Tick)
{
    /// <summary>
    /// Time in which load that is not reported again halves: twice the maximum time between two queries in a fleet of 1,000.
    /// </summary>
    public static TimeSpan HalfLife { get; } = TimeSpan.FromSeconds(10);

    private const long MaxTokensEach = 1 << 20;

    /// <param name="reading">The engine's report.</param>
    /// <param name="own">Maximum number of our requests that the report can contain.</param>
    public ForeignLoad Read(in RankReading reading, int own, DateTimeOffset now)
    {
        // Without a timestamp, a report is fresh when the engine's clock in it has advanced.
        var fresh = reading.Age is { } age ? age <= EngineLoad.Fresh : reading.Tick is { } tick && Tick is { } before
            && tick > before;
        if (!fresh)
            return this with { Tick = reading.Tick };
        var seen = Math.Max(0, reading.Requests - own);
        var faded = At(now);
        return new ForeignLoad(
            // A higher count is used immediately; a lower one moves the value only halfway, because traffic of others varies.
            seen >= faded ? seen : seen + ((faded - seen) / 2),
            Math.Clamp(reading.Tokens / Math.Max(1, reading.Requests), 0, MaxTokensEach),
            now,
            reading.Tick);
    }

    /// <summary>Requests of others that still count.</summary>
    public int At(DateTimeOffset now)
    {
        var halves = Requests == 0 ? 0 : (now - SeenAt) / HalfLife;
        return halves switch
        {
            <= 0.5 => Requests, // one missed report changes nothing
            > 30 => 0,
            _ => (int)(Requests * Math.Pow(2, -halves)),
        };
    }
}
