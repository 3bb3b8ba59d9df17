using System.Collections.Immutable;

namespace OrleansPd.Core.Workers;

/// <summary>
/// What an engine told of its load, or why it told nothing. Figures may be old: an engine renews them while it computes and
/// while it is idle, but not while its requests only wait (protocol §6.1), so each comes with its age.
/// </summary>
public sealed record EngineLoad
{
    /// <summary>Figures older than this are not believed.</summary>
    public static TimeSpan Fresh { get; } = TimeSpan.FromSeconds(3);

    public ImmutableArray<RankReading> Ranks { get; init; } = [];

    /// <summary>Why it told nothing; null when it did.</summary>
    public string? Problem { get; init; }

    /// <summary>When it was asked, by our clock.</summary>
    public DateTimeOffset AskedAt { get; init; }

    public static EngineLoad Untold(string problem) => new() { Problem = problem };
}
