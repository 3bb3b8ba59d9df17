using System.Collections.Immutable;

namespace OrleansPd.Core.Credits;

/// <summary>What a gateway has and wants on one worker. Sent again and again; each one replaces the one before.</summary>
public sealed record CreditClaim
{
    /// <summary>Names the life of a gateway; never used by another one.</summary>
    public required string Gateway { get; init; }

    /// <summary>Grows with each claim of this gateway: one that was overtaken on its way is not believed.</summary>
    public required long Sequence { get; init; }

    /// <summary>The ledger that granted what is held; 0 = nothing was granted yet.</summary>
    public long Ledger { get; init; }

    /// <summary>The gateway has nothing here any more, and wants nothing.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>What is held is given back in a moment: whoever gets less for its sake should soon ask again.</summary>
    public bool IsBrief { get; init; }

    /// <summary>One for each rank; empty = the gateway does not know the ranks yet.</summary>
    public ImmutableArray<RankClaim> Ranks { get; init; } = [];
}

/// <summary>What a gateway has and wants on one rank, in items.</summary>
/// <param name="Held">It may have as many in flight until it hears of us: never less than <paramref name="Running"/>.</param>
/// <param name="Running">In flight now.</param>
/// <param name="Wanted">Waiting for a place.</param>
/// <param name="Peak">Most in flight since the last claim.</param>
/// <param name="Tokens">Tokens of what is in flight.</param>
public readonly record struct RankClaim(int Held, int Running, int Wanted, int Peak, long Tokens);
