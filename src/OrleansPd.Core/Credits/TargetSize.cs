namespace OrleansPd.Core.Credits;

/// <summary>How many workers a pool should have.</summary>
/// <param name="Workers">Null = nobody says.</param>
/// <param name="At">When it was said, in ticks: a later word replaces an earlier one, wherever it is remembered. 0 =
/// never.</param>
public readonly record struct TargetSize(int? Workers, long At);
