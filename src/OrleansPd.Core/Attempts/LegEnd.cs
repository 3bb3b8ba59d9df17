namespace OrleansPd.Core.Attempts;

/// <summary>How one leg ended, as the bytes told it. What follows from it is decided by <see cref="Verdict"/>.</summary>
public enum LegEndKind
{
    /// <summary>Not ended yet.</summary>
    Open,

    /// <summary>A complete, good answer.</summary>
    Ok,

    /// <summary>4xx that the client's request caused.</summary>
    ClientError,

    /// <summary>4xx that our own members caused (room, rank, header, a rid of ours): protocol §2.8.</summary>
    GatewayError,

    /// <summary>429 or 503: the engine is sound but has no room.</summary>
    Overloaded,

    /// <summary>The engine says that somebody aborted the request; passed on, never retried.</summary>
    Aborted,

    /// <summary>5xx of the engine's own making.</summary>
    EngineError,

    /// <summary>5xx in which a decode says that it cannot reach its prefill (handshake failed, connection lost).</summary>
    PartnerLost,

    /// <summary>5xx about the transfer itself: either side, or the network between them.</summary>
    TransferFailed,

    /// <summary>The connection could not be made: the engine never saw the request.</summary>
    Unreachable,

    /// <summary>The connection broke after the request was sent.</summary>
    Broken,

    /// <summary>
    /// A connection that had served before broke as the request was written: most likely the engine had just closed it for
    /// idleness. Says nothing against the engine; yet the engine may have read the request, which is therefore aborted and gets a
    /// fresh room.
    /// </summary>
    Stale,

    /// <summary>Not HTTP, not JSON or not an event stream.</summary>
    Malformed,

    /// <summary>The stream ended without its terminator.</summary>
    Truncated,

    /// <summary>We closed it.</summary>
    Cancelled,
}

/// <summary>The end of one leg.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Status">HTTP status, or the status inside an error frame; 0 where there was none.</param>
/// <param name="Message">The engine's words or ours, for people; null for a good end.</param>
public readonly record struct LegEnd(LegEndKind Kind, int Status = 0, string? Message = null)
{
    public static LegEnd Ok { get; } = new(LegEndKind.Ok, 200);

    public static LegEnd Cancelled { get; } = new(LegEndKind.Cancelled);

    public bool IsOpen => Kind == LegEndKind.Open;

    public bool IsOk => Kind == LegEndKind.Ok;

    /// <summary>A failure that no other party can have caused.</summary>
    public bool IsOwnFault => Kind is LegEndKind.EngineError or LegEndKind.Unreachable or LegEndKind.Broken
        or LegEndKind.Malformed or LegEndKind.Truncated;

    /// <summary>It ended in the middle: what it had still to do is not done, and nobody has been told.</summary>
    public bool BrokeOff => Kind is LegEndKind.Broken or LegEndKind.Stale or LegEndKind.Truncated;

    public bool IsFailure => Kind is not (LegEndKind.Open or LegEndKind.Ok);
}
