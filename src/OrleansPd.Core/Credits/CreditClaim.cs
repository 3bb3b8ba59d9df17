namespace OrleansPd.Core.Credits;

/// <summary>What a gateway holds and needs on one worker. Sent at each interval; each claim replaces the one before.</summary>
public sealed record CreditClaim
{
    /// <summary>Id of the gateway process; never reused.</summary>
    public required string Gateway { get; init; }

    /// <summary>Grows with each claim of this gateway: a claim that arrives after a later one is ignored.</summary>
    public required long Sequence { get; init; }

    /// <summary>The ledger that granted the credits; 0 = none yet.</summary>
    public long Ledger { get; init; }

    /// <summary>The gateway has no requests here and needs no credits.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>The credits will be returned soon: gateways that get less because of them should report again soon.</summary>
    public bool IsBrief { get; init; }

    /// <summary>One per rank; empty = the gateway does not know the ranks yet.</summary>
    public ImmutableArray<RankClaim> Ranks { get; init; } = [];
}

/// <summary>What a gateway holds and needs on one rank, in items.</summary>
/// <param name="Held">Its credits; at least <paramref name="Running"/>.</param>
/// <param name="Running">In flight now.</param>
/// <param name="Waiting">Items that wait for a credit.</param>
/// <param name="Peak">Maximum in flight since the last claim.</param>
/// <param name="Tokens">Tokens in flight.</param>
public readonly record struct RankClaim(int Held, int Running, int Waiting, int Peak, long Tokens);
