using System.Collections.Immutable;

namespace OrleansPd.Core.Credits;

/// <summary>The answer to a <see cref="CreditClaim"/>: what the gateway may have in flight from now on.</summary>
public sealed record CreditGrant
{
    /// <summary>The ledger that grants; a higher one is a later life of the same worker's writer.</summary>
    public required long Ledger { get; init; }

    /// <summary>Counted from when the claim was sent: afterwards nothing new may be started on this grant.</summary>
    public required TimeSpan ValidFor { get; init; }

    /// <summary>One for each rank.</summary>
    public ImmutableArray<RankGrant> Ranks { get; init; } = [];

    /// <summary>Others wait for what this gateway has, or it got less than it wants: it should ask again soon.</summary>
    public bool IsTight { get; init; }
}

/// <summary>One rank of a grant, in items.</summary>
/// <param name="Credits">Most that may be in flight. Less than is in flight now: nothing is stopped, nothing new is
/// started.</param>
/// <param name="Share">What each gateway gets when all want all: no request may need more at once.</param>
/// <param name="Others">What all others have in flight there.</param>
/// <param name="OthersTokens">Tokens of them.</param>
public readonly record struct RankGrant(int Credits, int Share, int Others, long OthersTokens);
