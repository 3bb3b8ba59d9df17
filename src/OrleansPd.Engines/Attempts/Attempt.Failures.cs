namespace OrleansPd.Engines.Attempts;

/// <content>Failures: how a leg ended, and what the client gets.</content>
internal sealed partial class Attempt
{
    /// <summary>The answer in place of an exception's text, which may hold paths, keys or prompts.</summary>
    private const string GatewayFailure =
        "The gateway failed while it handled this request; its log has the reason under this request id.";

    private static readonly byte[] EndOfStream = "data: [DONE]\n\n"u8.ToArray();

    /// <summary>Answers a failure that is not retried, with the engine's own message where it sent one.</summary>
    public ValueTask AnswerFailureAsync(CancellationToken clientGone)
    {
        var verdict = CurrentVerdict!;
        // A limit may run out while the end of a good stream is being sent: the client has all of it, and nothing may follow.
        if (verdict.IsSuccess || clientGone.IsCancellationRequested || _sent == Sent.End)
            return ValueTask.CompletedTask;
        if (_sent == Sent.Error)
        {
            // The engine has reported its failure itself, and then closed the stream without ending it.
            return _sink.WriteAsync(EndOfStream, clientGone);
        }
        if (_sent == Sent.Start || _journal is { HasBegun: true })
            return _sink.FailAsync(new AnswerError(verdict.Status, verdict.Reason, verdict.Message), clientGone);
        var reply = ReplyOf(verdict);
        return reply is { IsJson: true }
            ? _sink.AnswerAsync(
                new AnswerHead(reply.Status, reply.ContentType, RetryAfter: reply.RetryAfter), reply.Body, clientGone)
            : _sink.RefuseAsync(new AnswerError(verdict.Status, verdict.Reason, verdict.Message, reply?.RetryAfter), clientGone);
    }

    /// <summary>
    /// Whether the engine of this failed attempt asked for a pause and the next attempt would reach the same engine.
    /// </summary>
    public bool MustWaitFor(PairLease next, out TimeSpan wait)
    {
        wait = default;
        var verdict = CurrentVerdict!;
        var (asked, chosen) = verdict.Side == LegSide.Prefill ? (_lease.Prefill, next.Prefill) : (_lease.Decode, next.Decode);
        if (ReplyOf(verdict)?.RetryAfter is { } pause && asked?.Id == chosen?.Id)
            wait = pause - _services.Clock.GetElapsedTime(_report.DecodeEndedAt);
        return wait > TimeSpan.Zero;
    }

    private EngineReply? ReplyOf(Verdict verdict) => verdict.Side switch
    {
        LegSide.Prefill => _prefillReply,
        LegSide.Decode => _decodeReply,
        _ => null,
    };

    /// <summary>
    /// 9. The end of a leg that an exception stands for. Every exception ends the leg, or its lease would never be returned.
    /// </summary>
    private LegEnd EndOf(LegSide side, Exception exception, CancellationTokenSource stop)
    {
        if (stop.IsCancellationRequested && exception is OperationCanceledException or IOException or ObjectDisposedException)
            return LegEnd.Cancelled;
        if (exception is UpstreamException e)
        {
            var kind = e.NeverSent ? LegEndKind.Unreachable : e.WasStale ? LegEndKind.Stale : LegEndKind.Broken;
            return new(kind, 0, e.Message);
        }
        if (_request.TryFail())
        {
            Log.LegFailed(_services.Logger, exception, _call.Pair.RequestId, side);
        }
        else
        {
            // The other leg or a retry, most likely with the same exception.
            Log.LegFailedAgain(_services.Logger, exception, _call.Pair.RequestId, side);
        }
        return new(LegEndKind.GatewayError, 500, GatewayFailure);
    }

    private LegEnd ErrorOf(LegSide side, EngineReply reply) =>
        EngineAnswer.Classify(side, reply.Status, ErrorBody.Extract(reply.Body), Elapsed, _ridsAreOurs);

    /// <summary>No engine answers a generation with such a status: another kind of server is at its address.</summary>
    private static LegEnd OddStatus(LegSide side, int status) =>
        new(LegEndKind.Malformed, 0, $"The {(side == LegSide.Prefill ? "prefill" : "decode")} answered with status {status}.");

    /// <summary>The end of a leg that an event of its stream stands for; null when the event is a good one.</summary>
    private LegEnd? ErrorIn(LegSide side, ReadOnlySpan<byte> data)
    {
        var e = EventClassifier.Classify(data, _call.Shape.Dialect);
        return e.Kind switch
        {
            EventKind.Error => EngineAnswer.Classify(side, e.Code ?? 500, e.Message ?? "", Elapsed, _ridsAreOurs),
            // An abort without a status was requested by the client: an answer, not a failure.
            EventKind.Abort when e.Code is { } code => EngineAnswer.Classify(side, code, e.Message ?? "", Elapsed, _ridsAreOurs),
            EventKind.Abort when side == LegSide.Decode => MarkAborted(),
            EventKind.Malformed => new LegEnd(LegEndKind.Malformed, 0, "An event of the stream is not JSON."),
            _ => null,
        };
    }

    private LegEnd? MarkAborted()
    {
        _request.WasAborted = true;
        return null;
    }

    private static bool IsEventStream(string? contentType) =>
        contentType is not null && contentType.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);
}
