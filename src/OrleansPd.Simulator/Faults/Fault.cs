namespace OrleansPd.Simulator.Faults;

public enum FaultKind
{
    /// <summary>
    /// No listener: connections are refused and idle ones reset. Ends by removal or <see cref="Fault.Duration"/>.
    /// </summary>
    Refuse,

    /// <summary>A generation call is answered with <see cref="Fault.Status"/> (500) and <see cref="Fault.Body"/>.</summary>
    Status,

    /// <summary>A generation call is taken and never answered.</summary>
    Hang,

    /// <summary>The connection of a generation call is reset as soon as the call has been read.</summary>
    Reset,

    /// <summary>
    /// The process dies, on arrival of a generation call or after <see cref="Fault.AfterTokens"/> tokens of one.
    /// </summary>
    Die,

    /// <summary>As <see cref="Die"/>, and a new epoch starts after <see cref="Fault.Delay"/>.</summary>
    Restart,

    /// <summary>
    /// The connection is reset after <see cref="Fault.AfterEvents"/> events, or before an answer that is no stream.
    /// </summary>
    ResetMidStream,

    /// <summary>Computing takes <see cref="Fault.Factor"/> times as long.</summary>
    Slow,

    /// <summary>Prefill: computes and answers, but its KV never leaves.</summary>
    DropKv,

    /// <summary>Prefill: the first half of the KV leaves, the rest never does.</summary>
    PartialKv,

    /// <summary>Prefill: one byte of the KV arrives altered.</summary>
    CorruptKv,

    /// <summary>Prefill: KV is sent <see cref="Fault.Delay"/> late.</summary>
    LateKv,

    /// <summary>Forward passes do not start; <c>/health</c> stays green.</summary>
    WedgePrefill,

    /// <summary>Decode steps do not happen; <c>/health</c> stays green.</summary>
    WedgeDecode,

    /// <summary>After <see cref="Fault.AfterEvents"/> events, sends an event that is not JSON.</summary>
    GarbageSse,

    /// <summary>The stream ends cleanly after <see cref="Fault.AfterEvents"/> events, without its end mark.</summary>
    TruncateStream,

    /// <summary>The stream stays open and silent after <see cref="Fault.AfterEvents"/> events.</summary>
    Stall,

    /// <summary><c>/abort_request</c> never answers and does nothing.</summary>
    AbortHang,

    /// <summary><c>/health</c> answers 503 (or <see cref="Fault.Status"/>); all else works.</summary>
    HealthRed,

    /// <summary>The bootstrap server breaks connections, or answers <see cref="Fault.Status"/> where given.</summary>
    BootstrapDown,

    /// <summary>
    /// Decode: after <see cref="Fault.AfterTokens"/> tokens (at least one) the request loses its KV memory and is sent past the
    /// router to its prefill again, with the same rid and room.
    /// </summary>
    Retract,

    /// <summary>
    /// Decode: with its KV in place, after <see cref="Fault.AfterTokens"/> tokens, a request ends with the engine's own 500 of a
    /// KV pool that is too small.
    /// </summary>
    OutOfMemory,

    /// <summary>A prefill or decode leg ends with the engine's own PD failure of status 500.</summary>
    FailTransfer,
}

/// <summary>A fault to happen on one engine.</summary>
public sealed record Fault(FaultKind Kind)
{
    /// <summary>How often it strikes; null = until removed.</summary>
    public int? Count { get; init; }

    /// <summary>Removes itself after this long; null = never.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Wait before it takes effect.</summary>
    public TimeSpan? Delay { get; init; }

    public int? Status { get; init; }

    /// <summary>Body of the answer; null = the engine's own error form.</summary>
    public string? Body { get; init; }

    /// <summary>For <see cref="FaultKind.Status"/>: sent as the header of that name, in seconds; null = none.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>Events of the stream that still pass. Default 0.</summary>
    public int AfterEvents { get; init; }

    /// <summary>Tokens of the struck request that are still made. Default 0.</summary>
    public int AfterTokens { get; init; }

    /// <summary>For <see cref="FaultKind.Slow"/>. Default 10.</summary>
    public double Factor { get; init; } = 10;

    /// <summary>Only this rank; null = any.</summary>
    public int? Rank { get; init; }

    /// <summary>Only requests whose rid begins so; null = any.</summary>
    public string? RidPrefix { get; init; }
}
