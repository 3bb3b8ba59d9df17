namespace OrleansPd.Core.Admin;

/// <summary>A worker as the management API returns it.</summary>
public sealed record WorkerView
{
    /// <summary>The worker, without its key.</summary>
    public required WorkerSnapshot Worker { get; init; }

    public required double Cost { get; init; }

    /// <summary>When its current stage began; for a removed worker when it was removed.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Its ranks; one entry for all of them if the engine chooses ranks. Empty for a removed worker.</summary>
    public ImmutableArray<RankView> Ranks { get; init; } = [];

    /// <summary>Our legs in flight on it, readiness checks included.</summary>
    public int InFlight { get; init; }

    public required KillSafety Safety { get; init; }

    /// <summary>The role to switch to when it has drained; null = no switch is under way.</summary>
    public WorkerRole? SwitchTo { get; init; }

    /// <summary>Address of the silo of its grain; null in one process, or when the grain does not answer.</summary>
    public string? Silo { get; init; }
}

/// <summary>Load of one rank.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="InFlight">Our items in flight.</param>
/// <param name="Foreign">Requests that do not come from our gateways, computed from the engine's report.</param>
/// <param name="Capacity">Capacity in items.</param>
/// <param name="Tokens">Tokens of our items.</param>
public readonly record struct RankView(int Rank, int InFlight, int Foreign, int Capacity, long Tokens);
