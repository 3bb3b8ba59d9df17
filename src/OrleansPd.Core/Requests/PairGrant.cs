namespace OrleansPd.Core.Requests;

/// <summary>Either a lease or the reason why there is none.</summary>
public readonly record struct PairGrant
{
    private PairGrant(PairLease? lease, Refusal? refusal)
    {
        Lease = lease;
        Refusal = refusal;
    }

    public PairLease? Lease { get; }
    public Refusal? Refusal { get; }

    public static PairGrant Granted(PairLease lease) => new(lease, null);

    public static PairGrant Refused(Refusal refusal) => new(null, refusal);
}

/// <summary>Why a request was not admitted.</summary>
/// <param name="Reason">Class of the reason; decides the HTTP status.</param>
/// <param name="Message">A sentence for the client.</param>
/// <param name="RetryAfter">Time after which a retry may succeed; null = unknown.</param>
public sealed record Refusal(RefusalReason Reason, string Message, TimeSpan? RetryAfter = null);

public enum RefusalReason
{
    /// <summary>No prefill worker is usable. 503, code <c>no_prefill_workers_available</c>.</summary>
    NoPrefill,

    /// <summary>No decode worker is usable. 503, code <c>no_decode_workers_available</c>.</summary>
    NoDecode,

    /// <summary>No worker at all is usable. 503, code <c>no_healthy_workers</c>.</summary>
    NoWorkers,

    /// <summary>There are usable workers, but no two of them can exchange KV. 503, code <c>no_compatible_pair</c>.</summary>
    NoCompatiblePair,

    /// <summary>No worker serves the model. 404, code <c>model_not_found</c>.</summary>
    UnknownModel,

    /// <summary>The batch is larger than any worker can ever hold. 400.</summary>
    TooLarge,

    /// <summary>The waiting queue is full. 503 with Retry-After.</summary>
    QueueFull,

    /// <summary>No capacity came free within the wait. 503 with Retry-After.</summary>
    QueueTimeout,

    /// <summary>A rate limit. 429 with Retry-After.</summary>
    RateLimited,

    /// <summary>The gateway is stopping. 503.</summary>
    ShuttingDown,
}
