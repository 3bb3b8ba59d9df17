namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The outcome of one <see cref="DispatchCall"/>. Times are timestamps of the dispatcher's <see cref="TimeProvider"/>.
/// </summary>
public sealed class DispatchReport
{
    private readonly List<AttemptReport> _attempts = new(1);
    private int _hasFailed;

    /// <summary>When the dispatcher got the call.</summary>
    public long StartedAt { get; internal set; }

    /// <summary>When the answer was complete; 0 while the call runs.</summary>
    public long EndedAt { get; internal set; }

    /// <summary>Why the call was not admitted; null when it was.</summary>
    public Refusal? Refusal { get; internal set; }

    /// <summary>The verdict on the last attempt; null when there was none.</summary>
    public Verdict? Verdict { get; internal set; }

    /// <summary>The outcome for metrics, from a bounded set.</summary>
    public string Reason => WasAborted && Verdict is { IsSuccess: true } ? "decode_aborted"
        : Verdict?.Reason ?? (Refusal is { } refusal ? AnswerError.Of(refusal).Code : "unknown");

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<AttemptReport> Attempts => _attempts;

    /// <summary>Events that reached the client; 0 for a plain answer.</summary>
    public long Events { get; internal set; }

    /// <summary>How often the stream was resumed on another pair.</summary>
    public int Resumed { get; internal set; }

    /// <summary>
    /// The engine answered that the request was aborted there on demand; the client gets that answer.
    /// </summary>
    public bool WasAborted { get; internal set; }

    internal void Add(AttemptReport attempt) => _attempts.Add(attempt);

    /// <summary>Records that an exception in the gateway ended a leg.</summary>
    /// <returns>Whether it is the first one of this call.</returns>
    internal bool TryFail() => Interlocked.Exchange(ref _hasFailed, 1) == 0;
}

/// <summary>The outcome of one attempt.</summary>
public sealed class AttemptReport
{
    private long _prefillEndedAt;
    private long _firstOutputAt;

    public required PairLease Lease { get; init; }

    /// <summary>0 for the first.</summary>
    public required int Number { get; init; }

    public required string[] Rids { get; init; }

    /// <summary>When both legs were sent.</summary>
    public required long SentAt { get; init; }

    /// <summary>When decode's first good output arrived; 0 = never.</summary>
    public long FirstOutputAt
    {
        get => Volatile.Read(ref _firstOutputAt);
        internal set => Volatile.Write(ref _firstOutputAt, value);
    }

    /// <summary>
    /// When the first event with content arrived (a role alone does not count), or the plain answer; 0 = never.
    /// </summary>
    public long FirstContentAt { get; internal set; }

    /// <summary>When the prefill leg ended, which can be after the request did; 0 = not yet.</summary>
    public long PrefillEndedAt
    {
        get => Volatile.Read(ref _prefillEndedAt);
        internal set => Volatile.Write(ref _prefillEndedAt, value);
    }

    /// <summary>When the decode leg ended.</summary>
    public long DecodeEndedAt { get; internal set; }

    public Verdict? Verdict { get; internal set; }
}
