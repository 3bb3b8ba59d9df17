namespace OrleansPd.Core.Load;

/// <summary>Our load on one rank, the load of others there, and its capacity.</summary>
internal struct RankLoad
{
    /// <summary>Items of ours in flight.</summary>
    public int Running;

    /// <summary>Items of ours that it can hold; in a cluster the credits of this gateway.</summary>
    public int Capacity;

    /// <summary>
    /// Prefill: uncached prompt tokens that wait or run. Decode: KV tokens, those of expected answers included.
    /// </summary>
    public long Tokens;

    /// <summary>Maximum number of items of one request: this gateway's share when all gateways want all credits.</summary>
    public int MaxItems;

    /// <summary>Tokens it can hold; an idle rank takes any request.</summary>
    public long MaxTokens;

    /// <summary>Maximum number of our items since the engine's last report, and between the two reports before.</summary>
    public int Peak;
    public int PeakBefore;

    /// <summary>Load of other clients in the engine's reports.</summary>
    public ForeignLoad Seen;

    /// <summary>Requests of other clients that count now, and their tokens.</summary>
    public int Foreign;
    public long ForeignTokens;

    /// <summary>Load of other gateways there, to compare ranks; our credits do not depend on it.</summary>
    public int Others;
    public long OthersTokens;

    /// <summary>Free items and tokens. The estimated load of others never closes a rank that has none of our requests.</summary>
    public readonly (int Items, long Tokens) Room => Running == 0
        ? (Capacity, long.MaxValue)
        : (Capacity - Running - Foreign, MaxTokens - Tokens - ForeignTokens - OthersTokens);

    public readonly bool Fits(int items, long tokens) => Room is var room && items <= room.Items && tokens <= room.Tokens;
}
