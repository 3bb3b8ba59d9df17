namespace OrleansPd.Core.Workers;

/// <summary>
/// An engine's load report, or why there is none. Figures may be stale: an engine updates them while it computes and while it
/// is idle, but not while its requests only wait. So each has an age.
/// </summary>
public sealed record EngineLoad
{
    /// <summary>Figures older than this are ignored.</summary>
    public static TimeSpan Fresh { get; } = TimeSpan.FromSeconds(3);

    public ImmutableArray<RankReading> Ranks { get; init; } = [];

    /// <summary>Why there is no report; null when there is one.</summary>
    public string? Problem { get; init; }

    /// <summary>When the engine was queried, by our clock.</summary>
    public DateTimeOffset QueriedAt { get; init; }

    public static EngineLoad Failed(string problem) => new() { Problem = problem };
}
