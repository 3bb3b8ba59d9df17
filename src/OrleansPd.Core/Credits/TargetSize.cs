namespace OrleansPd.Core.Credits;

/// <summary>How many workers a pool should have.</summary>
/// <param name="Workers">Null = not set.</param>
/// <param name="At">When it was set, in ticks: the later one wins everywhere. 0 = never.</param>
public readonly record struct TargetSize(int? Workers, long At);
