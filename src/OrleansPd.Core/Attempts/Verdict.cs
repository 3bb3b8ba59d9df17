namespace OrleansPd.Core.Attempts;

/// <summary>The party at fault for a failed attempt.</summary>
public enum Blame
{
    None,
    Client,
    Gateway,
    Prefill,
    Decode,
}

/// <summary>The result of an attempt: the client's answer, the party at fault, and whether a retry is allowed.</summary>
/// <param name="Reason">Label for metrics, from a fixed set, e.g. <c>ok</c>, <c>prefill_unreachable</c>.</param>
/// <param name="Status">HTTP status for the client if nothing has been sent yet; the engine's own where there is one.</param>
/// <param name="Blame">The party at fault.</param>
/// <param name="Retryable">Whether a retry on a new pair and room is allowed while nothing has reached the client.</param>
/// <param name="Side">The leg whose answer the client gets; null when the answer is ours.</param>
/// <param name="Message">For the client and the log.</param>
public sealed record Verdict(string Reason, int Status, Blame Blame, bool Retryable, LegSide? Side, string Message)
{
    public static Verdict Success { get; } = new("ok", 200, Blame.None, false, LegSide.Decode, "");

    /// <summary>499 as in nginx; only the log and the metrics show it.</summary>
    public static Verdict ClientGone { get; } = new(
        "client_gone", 499, Blame.Client, false, null, "The client closed the connection.");

    /// <summary>After the first output only decode writes, so only decode can have stalled.</summary>
    public static Verdict Stalled { get; } =
        new("decode_stalled", 504, Blame.Decode, false, null, "The decode engine stopped writing in the middle of the answer.");

    public static Verdict ShuttingDown { get; } = new("shutting_down", 503, Blame.None, false, null, "The gateway is stopping.");

    /// <summary>The request was aborted by its id before an engine had it; status and text are those of engines.</summary>
    public static Verdict AbortedEarly { get; } =
        new("client_aborted", 500, Blame.Client, false, null, "Aborted by AbortReq before an engine had it.");

    /// <summary>The pair is not at fault: the same one may be tried again, once per request without using its retries.</summary>
    public bool Resend { get; private init; }

    public bool IsSuccess => ReferenceEquals(this, Success);

    /// <summary>A time limit expired: the one for the first output, or the one for the whole request.</summary>
    public static Verdict OutOfTime(bool hadOutput) => hadOutput
        ? new("deadline", 504, Blame.None, false, null, "The request did not end within its time limit.")
        : new("no_output", 504, Blame.None, false, null, "The engines gave no output within the time limit.");

    /// <summary>The table of failures: one row per kind of the first failed leg.</summary>
    /// <param name="side">The leg that failed first; the other is cancelled.</param>
    /// <param name="end">How it failed.</param>
    /// <param name="regular">A regular worker: there is no pair.</param>
    public static Verdict OfFailure(LegSide side, LegEnd end, bool regular)
    {
        var self = side == LegSide.Prefill ? Blame.Prefill : Blame.Decode;
        var name = regular ? "regular" : side == LegSide.Prefill ? "prefill" : "decode";
        // A client needs a message even if the engine sent none.
        var text = string.IsNullOrWhiteSpace(end.Message) ? $"The {name} engine answered with status {end.Status} and no message."
            : end.Message;
        // A prefill engine's answer is not the client's answer: its failure becomes a 503 of ours that quotes its error text.
        var (status, answering) = side == LegSide.Prefill ? (503, (LegSide?)null) : (end.Status, side);
        return end.Kind switch
        {
            // kind                                 reason                    status         charged        retry   answer
            LegEndKind.ClientError => new($"{name}_client_error", end.Status, Blame.Client, false, side, text),
            LegEndKind.Aborted => new($"{name}_aborted", end.Status, Blame.None, false, side, text),
            LegEndKind.Overloaded => new($"{name}_overloaded", end.Status, Blame.None, true, side, text),
            LegEndKind.GatewayError => new($"{name}_gateway_error", 500, Blame.Gateway, true, null, text),
            LegEndKind.EngineError => new($"{name}_error", status, self, true, answering, text),
            LegEndKind.TransferFailed => new($"{name}_transfer_failed", status, Blame.None, true, answering, text),
            LegEndKind.PartnerLost => new($"{name}_partner_lost", end.Status, Blame.Prefill, true, side, text),
            LegEndKind.Unreachable => new($"{name}_unreachable", 503, self, true, null, $"The {name} engine cannot be reached."),
            LegEndKind.Broken => new($"{name}_broken", 503, self, true, null, $"The {name} engine broke the connection."),
            LegEndKind.Stale => new(
                $"{name}_stale", 503, Blame.None, true, null, $"The {name} engine closed an idle connection.")
            { Resend = true },
            LegEndKind.Malformed =>
                new($"{name}_malformed", 502, self, true, null, $"The {name} engine sent an unreadable answer."),
            LegEndKind.Truncated => new($"{name}_truncated", 502, self, true, null, $"The {name} engine's stream ended early."),
            LegEndKind.Cancelled => new($"{name}_cancelled", 503, Blame.None, true, null, $"The {name} leg was cancelled."),
            _ => throw new ArgumentOutOfRangeException(nameof(end), end.Kind, "not a failure"),
        };
    }

    /// <summary>The outcome of one leg for the control plane, given the verdict over both.</summary>
    public LegOutcome OutcomeOf(LegSide side, LegEnd end) => (Blame, side) switch
    {
        (Blame.Prefill, LegSide.Prefill) => LegOutcome.Failed,
        (Blame.Decode, LegSide.Decode) => LegOutcome.Failed,
        // The request succeeded, yet the engine of this leg failed: a prefill engine that dies after its KV was sent.
        (Blame.None, _) when end.IsOwnFault => LegOutcome.Failed,
        _ => end.IsOk ? LegOutcome.Succeeded : LegOutcome.Neutral,
    };
}
