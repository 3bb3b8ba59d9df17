namespace OrleansPd.Core.Workers;

/// <summary>What can happen to a worker. A closed set; <see cref="WorkerState.Apply"/> handles each.</summary>
public abstract record WorkerInput
{
    private WorkerInput()
    {
    }

    /// <summary>The engine's facts were read.</summary>
    public sealed record Described(WorkerFacts Facts) : WorkerInput;

    /// <summary>A cheap probe was answered.</summary>
    public sealed record Alive : WorkerInput
    {
        public static Alive Instance { get; } = new();
    }

    /// <summary>A cheap probe was not answered.</summary>
    /// <param name="Reason">Why, for people.</param>
    /// <param name="Refused">Nothing listens there: the process is gone, not slow.</param>
    public sealed record Missed(string Reason, bool Refused) : WorkerInput;

    /// <summary>A leg failed there: other workers are preferred until the engine answers again.</summary>
    public sealed record LegFailed(string Reason) : WorkerInput;

    /// <summary>The engine's own generating health check ended.</summary>
    /// <param name="Problem">Null when it was good.</param>
    public sealed record Health(string? Problem) : WorkerInput;

    /// <summary>A readiness check succeeded.</summary>
    /// <param name="Epoch">Epoch in which the check started.</param>
    public sealed record ReadinessPassed(long Epoch) : WorkerInput;

    /// <summary>A readiness check failed.</summary>
    public sealed record ReadinessFailed(string Reason) : WorkerInput;

    /// <summary>A bootstrap facade was set up for this epoch of a prefill worker.</summary>
    /// <param name="Epoch">The worker's epoch.</param>
    /// <param name="Host">Host that is sent to decode engines.</param>
    /// <param name="Port">Its port.</param>
    public sealed record FacadeOpened(long Epoch, string Host, int Port) : WorkerInput;

    /// <summary>Whether requests in flight are stalled.</summary>
    /// <param name="Problem">Why they count as stalled; null: they make progress.</param>
    public sealed record Stall(string? Problem) : WorkerInput
    {
        public static Stall None { get; } = new((string?)null);
    }

    /// <summary>Take no new requests.</summary>
    public sealed record Drain : WorkerInput;

    /// <summary>No request is in flight any more, or the operator does not wait for them.</summary>
    public sealed record Remove : WorkerInput;

    /// <summary>Take no new requests, and switch the role when idle.</summary>
    public sealed record Switch(WorkerRole To) : WorkerInput;

    /// <summary>The engine has changed its role (<paramref name="Switched"/>), or keeps the one it had.</summary>
    public sealed record SwitchEnded(bool Switched) : WorkerInput;

    /// <summary>The operator changed priority, cost, labels or key.</summary>
    public sealed record Patched(WorkerSpec Spec) : WorkerInput;

    /// <summary>The engine reported the capacity of a rank.</summary>
    public sealed record Capacity(int? MaxRunning, long? Tokens) : WorkerInput;
}
