using System.Collections.Immutable;

namespace OrleansPd.PreviousContracts;

// Messages as a silo of an older release knows them: the same aliases and ids, other names of types, and without the members that
// came last. Never changed when the contracts are; a new copy is added beside it when a release is made.

/// <summary>Without <c>IsBrief</c> (5) and <c>IsLeaving</c> (4).</summary>
[GenerateSerializer, Alias("pd.CreditClaim")]
public struct OldClaim
{
    [Id(0)]
    public string Gateway;

    [Id(1)]
    public long Sequence;

    [Id(2)]
    public long Ledger;

    [Id(3)]
    public ImmutableArray<OldRankClaim> Ranks;
}

/// <summary>Without <c>Tokens</c> (4).</summary>
[GenerateSerializer, Alias("pd.RankClaim")]
public struct OldRankClaim
{
    [Id(0)]
    public int Held;

    [Id(1)]
    public int Running;

    [Id(2)]
    public int Wanted;

    [Id(3)]
    public int Peak;
}

/// <summary>Without <c>Rids</c> (6).</summary>
[GenerateSerializer, Alias("pd.GatewayReport")]
public struct OldReport
{
    [Id(0)]
    public OldClaim Claim;

    [Id(1)]
    public long Registration;

    [Id(2)]
    public long Epoch;

    [Id(3)]
    public long Batch;

    [Id(5)]
    public TimeSpan Stalled;
}

/// <summary>A room's registration, as ever.</summary>
[GenerateSerializer, Immutable, Alias("pd.RoomClaim")]
public readonly record struct OldRoomClaim([property: Id(0)] long Room, [property: Id(1)] int Rank);
