namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Receives an answer: a client's HTTP response, a caller's stream, or a join of several answers. It gets either one whole
/// answer, or a start followed by writes. Each call waits until the receiver has room (back-pressure) and throws
/// <see cref="OperationCanceledException"/> when the token is cancelled.
/// </summary>
public interface IAnswerSink
{
    /// <summary>A whole answer, good or bad.</summary>
    ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken);

    /// <summary>A streamed answer begins; it cannot be replaced any more.</summary>
    ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken);

    /// <summary>
    /// The next part of a streamed answer: whole events of an event stream, or any bytes of another body. Flushed before it
    /// returns.
    /// </summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>A started stream fails: the receiver gets an error in its dialect and the end of the stream.</summary>
    ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken);

    /// <summary>An error that the gateway answers itself.</summary>
    ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken);
}

/// <summary>The head of an answer.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the engine sent it.</param>
/// <param name="IsEventStream">The body is an event stream.</param>
/// <param name="RetryAfter">For the client; null = none.</param>
public readonly record struct AnswerHead(
    int Status, string? ContentType, bool IsEventStream = false, TimeSpan? RetryAfter = null);

/// <summary>An error, independent of the API dialect.</summary>
/// <param name="Status">HTTP status, also the <c>code</c> inside a stream.</param>
/// <param name="Code">A machine-readable code from a bounded set, e.g. <c>no_prefill_workers_available</c>.</param>
/// <param name="Message">A sentence for humans.</param>
/// <param name="RetryAfter">When to retry; null = unknown.</param>
/// <param name="Param">The request's member that is at fault; null = none.</param>
public sealed record AnswerError(int Status, string Code, string Message, TimeSpan? RetryAfter = null, string? Param = null)
{
    /// <summary>The status and code of each refusal.</summary>
    public static AnswerError Of(Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(refusal);
        var (status, code) = refusal.Reason switch
        {
            RefusalReason.NoPrefill => (503, "no_prefill_workers_available"),
            RefusalReason.NoDecode => (503, "no_decode_workers_available"),
            RefusalReason.NoWorkers => (503, "no_healthy_workers"),
            RefusalReason.NoCompatiblePair => (503, "no_compatible_pair"),
            RefusalReason.UnknownModel => (404, "model_not_found"),
            RefusalReason.TooLarge => (400, "batch_too_large"),
            RefusalReason.QueueFull => (503, "queue_full"),
            RefusalReason.QueueTimeout => (503, "queue_timeout"),
            RefusalReason.RateLimited => (429, "rate_limit_exceeded"),
            RefusalReason.ShuttingDown => (503, "shutting_down"),
            _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal.Reason, "unknown reason"),
        };
        return new(status, code, refusal.Message, refusal.RetryAfter);
    }
}
