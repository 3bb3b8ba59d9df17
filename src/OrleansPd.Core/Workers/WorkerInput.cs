namespace OrleansPd.Core.Workers;

/// <summary>What can happen to a worker. A closed set; <see cref="WorkerState.Apply"/> handles each.</summary>
public abstract record WorkerInput
{
    private WorkerInput()
    {
    }

    /// <summary>The engine was read.</summary>
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

    /// <summary>A leg failed there: others are preferred until the engine has been heard of again.</summary>
    public sealed record Doubt(string Reason) : WorkerInput;

    /// <summary>The engine's own generating health check ended.</summary>
    /// <param name="Problem">Null when it was good.</param>
    public sealed record Health(string? Problem) : WorkerInput;

    /// <summary>A real generation went through the worker.</summary>
    /// <param name="Epoch">The life of the engine in which it was started.</param>
    public sealed record Proved(long Epoch) : WorkerInput;

    /// <summary>A real generation was tried and failed.</summary>
    public sealed record NotProved(string Reason) : WorkerInput;

    /// <summary>An address of ours stands for this life of a prefill.</summary>
    /// <param name="Epoch">The life of the engine.</param>
    /// <param name="Host">As decode engines are told it.</param>
    /// <param name="Port">Its port.</param>
    public sealed record Fronted(long Epoch, string Host, int Port) : WorkerInput;

    /// <summary>What is in flight makes no progress (<paramref name="Problem"/>), or does again (null).</summary>
    public sealed record Stall(string? Problem) : WorkerInput
    {
        public static Stall None { get; } = new((string?)null);
    }

    /// <summary>Take no new requests.</summary>
    public sealed record Drain : WorkerInput;

    /// <summary>Nothing is in flight any more, or nobody wants to wait for it.</summary>
    public sealed record Remove : WorkerInput;

    /// <summary>Take no new requests, to become another role when idle.</summary>
    public sealed record Switch(WorkerRole To) : WorkerInput;

    /// <summary>The engine has changed its role (<paramref name="Switched"/>), or keeps the one it had.</summary>
    public sealed record SwitchEnded(bool Switched) : WorkerInput;

    /// <summary>The operator changed what may be changed while it serves: priority, cost, labels, key.</summary>
    public sealed record Patched(WorkerSpec Spec) : WorkerInput;

    /// <summary>The engine told what one rank of it really holds.</summary>
    public sealed record Capacity(int? MaxRunning, long? Tokens) : WorkerInput;
}
