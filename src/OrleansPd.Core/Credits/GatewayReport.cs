namespace OrleansPd.Core.Credits;

/// <summary>
/// What a gateway reports to a worker's grain: its claim, the outcomes of legs, and its requests on the engine.
/// </summary>
public sealed record GatewayReport
{
    public required CreditClaim Claim { get; init; }

    /// <summary>Registration of the worker.</summary>
    public required long Registration { get; init; }

    /// <summary>Epoch of the engine in which the <see cref="Outcomes"/> happened.</summary>
    public required long Epoch { get; init; }

    /// <summary>
    /// Number of the <see cref="Outcomes"/>: sent again under the same number until acknowledged, and counted once.
    /// </summary>
    public long Batch { get; init; }

    /// <summary>Outcomes of legs in order; equal consecutive ones are one entry.</summary>
    public ImmutableArray<OutcomeRun> Outcomes { get; init; } = [];

    /// <summary>Time since any request of this gateway there made progress; zero = progress, or no requests.</summary>
    public TimeSpan Stalled { get; init; }

    /// <summary>Ids of this gateway's requests on the engine: aborted if the gateway dies.</summary>
    public ImmutableArray<string> Rids { get; init; } = [];
}

/// <summary>Consecutive legs with one outcome.</summary>
public readonly record struct OutcomeRun(LegOutcome Outcome, int Count);

/// <summary>The answer to a <see cref="GatewayReport"/>.</summary>
/// <param name="Grant">Null: no change (a later report came first, or the gateway is considered dead).</param>
/// <param name="Batch">The last batch of outcomes that is counted.</param>
/// <param name="IsKnown">False: no such registration here; the next snapshot of the fleet will not contain it.</param>
public sealed record ReportAnswer(CreditGrant? Grant, long Batch, bool IsKnown);
