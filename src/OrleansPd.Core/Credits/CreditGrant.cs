namespace OrleansPd.Core.Credits;

/// <summary>The answer to a <see cref="CreditClaim"/>: the gateway's credits from now on.</summary>
public sealed record CreditGrant
{
    /// <summary>The ledger that grants; a higher one is a later activation of the worker's grain.</summary>
    public required long Ledger { get; init; }

    /// <summary>Counted from when the claim was sent: afterwards this grant admits no new requests.</summary>
    public required TimeSpan ValidFor { get; init; }

    /// <summary>One per rank.</summary>
    public ImmutableArray<RankGrant> Ranks { get; init; } = [];

    /// <summary>Other gateways need this gateway's credits, or it got less than it needs: it should report again soon.</summary>
    public bool IsTight { get; init; }
}

/// <summary>One rank of a grant, in items.</summary>
/// <param name="Credits">Maximum in flight. If more are in flight, none is stopped and no new one is admitted.</param>
/// <param name="Share">Credits of each gateway when all need all: no request may need more at once.</param>
/// <param name="Others">Items of all others in flight there.</param>
/// <param name="OthersTokens">Tokens of those items.</param>
public readonly record struct RankGrant(int Credits, int Share, int Others, long OthersTokens);
