namespace OrleansPd.Core.Pairing;

/// <summary>What we have in flight on one rank, and what it may hold.</summary>
internal struct RankLoad
{
    /// <summary>Items in flight.</summary>
    public int Running;

    /// <summary>Items it may hold: the credits this gateway has for it.</summary>
    public int Window;

    /// <summary>Prefill: uncached prompt tokens that wait or run. Decode: KV tokens held, the expected answers included.</summary>
    public long Tokens;

    /// <summary>Tokens it may hold, unless it is idle.</summary>
    public long MaxTokens;

    public readonly bool Fits(int items, long tokens) =>
        Running + items <= Window && (Tokens + tokens <= MaxTokens || Running == 0);
}
