namespace OrleansPd.Core.Load;

/// <summary>What we have in flight on one rank, what others have there, and what it may hold.</summary>
internal struct RankLoad
{
    /// <summary>Items of ours in flight.</summary>
    public int Running;

    /// <summary>Items it may hold: the credits this gateway has for it.</summary>
    public int Window;

    /// <summary>
    /// Prefill: uncached prompt tokens that wait or run. Decode: KV tokens held, the expected answers included.
    /// </summary>
    public long Tokens;

    /// <summary>Most items of one request: what is there when all gateways want all.</summary>
    public int Largest;

    /// <summary>Tokens it may hold, unless it is idle.</summary>
    public long MaxTokens;

    /// <summary>Most items of ours since the engine's last figures, and since those before.</summary>
    public int Peak;
    public int PeakBefore;

    /// <summary>What the engine's figures showed of others.</summary>
    public ForeignLoad Seen;

    /// <summary>Requests of others that count now, and their tokens.</summary>
    public int Foreign;
    public long ForeignTokens;

    /// <summary>What other gateways have there, for comparing ranks; our window is ours alone, whatever they have.</summary>
    public int Others;
    public long OthersTokens;

    /// <summary>
    /// Items and tokens there is room for. An estimate of what others have never closes a rank that has nothing of ours.
    /// </summary>
    public readonly (int Items, long Tokens) Room => Running == 0
        ? (Window, long.MaxValue)
        : (Window - Running - Foreign, MaxTokens - Tokens - ForeignTokens - OthersTokens);

    /// <summary>Whether so many items with so many tokens may be added.</summary>
    public readonly bool Fits(int items, long tokens) => Room is var room && items <= room.Items && tokens <= room.Tokens;
}
