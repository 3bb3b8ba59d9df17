using System.Collections.Immutable;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Credits;

/// <summary>
/// All that a gateway tells a worker's writer at a time: its claim, how legs ended, and what of it is on the engine.
/// </summary>
public sealed record GatewayReport
{
    public required CreditClaim Claim { get; init; }

    /// <summary>The registration that is meant.</summary>
    public required long Registration { get; init; }

    /// <summary>The life of the engine of which <see cref="Outcomes"/> tell.</summary>
    public required long Epoch { get; init; }

    /// <summary>
    /// Number of <see cref="Outcomes"/>: said again under the same number until it is acknowledged, and counted once.
    /// </summary>
    public long Batch { get; init; }

    /// <summary>How legs ended, in order; equal ones in a row are one entry.</summary>
    public ImmutableArray<OutcomeRun> Outcomes { get; init; } = [];

    /// <summary>
    /// For how long nothing that this gateway has there has moved; zero when something has, or nothing is there.
    /// </summary>
    public TimeSpan Stalled { get; init; }

    /// <summary>Ids of what this gateway has on the engine: to be aborted there should the gateway die.</summary>
    public ImmutableArray<string> Rids { get; init; } = [];
}

/// <summary>Legs that ended alike.</summary>
public readonly record struct OutcomeRun(LegOutcome Outcome, int Count);

/// <summary>The answer to a <see cref="GatewayReport"/>.</summary>
/// <param name="Grant">Null: nothing changes (the report was overtaken, or the gateway is taken for dead).</param>
/// <param name="Batch">Outcomes that are counted.</param>
/// <param name="IsKnown">False: no such registration here (any more); the fleet's next snapshot will say so too.</param>
public sealed record ReportAnswer(CreditGrant? Grant, long Batch, bool IsKnown);
