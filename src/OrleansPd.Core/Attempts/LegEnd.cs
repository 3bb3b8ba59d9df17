namespace OrleansPd.Core.Attempts;

/// <summary>How one leg ended, as far as its bytes show. <see cref="Verdict"/> decides the consequence.</summary>
public enum LegEndKind
{
    /// <summary>Not ended yet.</summary>
    Open,

    /// <summary>A complete, good answer.</summary>
    Ok,

    /// <summary>4xx that the client's request caused.</summary>
    ClientError,

    /// <summary>4xx that members added by the gateway caused (room, rank, header, a rid of ours).</summary>
    GatewayError,

    /// <summary>429 or 503: the engine works but has no capacity.</summary>
    Overloaded,

    /// <summary>The engine reports an abort; passed on to the client, never retried.</summary>
    Aborted,

    /// <summary>5xx that the engine itself caused.</summary>
    EngineError,

    /// <summary>
    /// 5xx in which a decode engine reports that it cannot reach its prefill engine (handshake failed, connection lost).
    /// </summary>
    PartnerLost,

    /// <summary>5xx about the transfer: caused by either side or the network between them.</summary>
    TransferFailed,

    /// <summary>The connection could not be opened: the engine never got the request.</summary>
    Unreachable,

    /// <summary>The connection broke after the request was sent.</summary>
    Broken,

    /// <summary>
    /// A reused connection broke while the request was written: most likely the engine had just closed it as idle. Not the
    /// engine's fault, but it may have read the request, so the request is aborted and gets a new room.
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
/// <param name="Message">The engine's error text or ours, for people; null on success.</param>
public readonly record struct LegEnd(LegEndKind Kind, int Status = 0, string? Message = null)
{
    public static LegEnd Ok { get; } = new(LegEndKind.Ok, 200);
    public static LegEnd Cancelled { get; } = new(LegEndKind.Cancelled);
    public bool IsOpen => Kind == LegEndKind.Open;
    public bool IsOk => Kind == LegEndKind.Ok;

    /// <summary>A failure that only this leg's engine can have caused.</summary>
    public bool IsOwnFault => Kind is LegEndKind.EngineError or LegEndKind.Unreachable or LegEndKind.Broken
        or LegEndKind.Malformed or LegEndKind.Truncated;

    /// <summary>It ended in the middle: its remaining work is not done, and the partner engine was not informed.</summary>
    public bool BrokeOff => Kind is LegEndKind.Broken or LegEndKind.Stale or LegEndKind.Truncated;

    public bool IsFailure => Kind is not (LegEndKind.Open or LegEndKind.Ok);
}
