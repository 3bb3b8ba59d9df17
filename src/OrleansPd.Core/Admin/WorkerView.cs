using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>A worker as its operator sees it.</summary>
public sealed record WorkerView
{
    /// <summary>The worker, without its key.</summary>
    public required WorkerSnapshot Worker { get; init; }

    public required double Cost { get; init; }

    /// <summary>When its present stage began; for a removed one when it was removed.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Its ranks; one that stands for all where the engine chooses ranks. Empty for a removed worker.</summary>
    public ImmutableArray<RankView> Ranks { get; init; } = [];

    /// <summary>Our legs in flight on it, readiness trials included.</summary>
    public int InFlight { get; init; }

    public required KillSafety Safety { get; init; }

    /// <summary>The role it is to have when it has drained; null = no switch is under way.</summary>
    public WorkerRole? SwitchTo { get; init; }

    /// <summary>Address of the silo that looks after it; null in one process, or where its writer does not answer.</summary>
    public string? Silo { get; init; }
}

/// <summary>What is on one rank.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="InFlight">Items of ours.</param>
/// <param name="Foreign">Requests of others, as its engine's figures show them.</param>
/// <param name="Window">Items it may hold.</param>
/// <param name="Tokens">Tokens of our items.</param>
public readonly record struct RankView(int Rank, int InFlight, int Foreign, int Window, long Tokens);
