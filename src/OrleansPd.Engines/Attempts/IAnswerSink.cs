using OrleansPd.Core.Requests;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Where an answer goes: a client's HTTP response, a caller's stream, or a joiner of several answers. One of the two ways is
/// taken, once: a whole answer, or a start followed by writes. Each call waits until the receiver has room (back-pressure) and
/// ends with <see cref="OperationCanceledException"/> when the token fires.
/// </summary>
public interface IAnswerSink
{
    /// <summary>A whole answer, good or bad.</summary>
    ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken);

    /// <summary>A streamed answer begins; from now on nothing can be taken back.</summary>
    ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken);

    /// <summary>
    /// More of a streamed answer: whole events of an event stream, or any bytes of another body. Flushed before it returns.
    /// </summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>A started stream ends badly: the receiver is told in its dialect and the stream is ended cleanly.</summary>
    ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken);

    /// <summary>An answer of our own making.</summary>
    ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken);
}

/// <summary>What stands before an answer's body.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the engine sent it.</param>
/// <param name="IsEventStream">The body is an event stream.</param>
/// <param name="RetryAfter">For the client; null = none.</param>
public readonly record struct AnswerHead(
    int Status, string? ContentType, bool IsEventStream = false, TimeSpan? RetryAfter = null);

/// <summary>An error in no dialect yet.</summary>
/// <param name="Status">HTTP status, also the <c>code</c> inside a stream.</param>
/// <param name="Code">A bounded word for programs, e.g. <c>no_prefill_workers_available</c>.</param>
/// <param name="Message">A sentence for people.</param>
/// <param name="RetryAfter">When to come again; null = unknown.</param>
/// <param name="Param">The request's member that is at fault; null = none.</param>
public sealed record AnswerError(int Status, string Code, string Message, TimeSpan? RetryAfter = null, string? Param = null)
{
    /// <summary>The status and the word for programs of each refusal.</summary>
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
