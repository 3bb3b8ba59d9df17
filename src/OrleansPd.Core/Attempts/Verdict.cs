using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Attempts;

/// <summary>Who is charged for a failed attempt.</summary>
public enum Blame
{
    None,
    Client,
    Gateway,
    Prefill,
    Decode,
}

/// <summary>What a finished attempt means: what the client is told, who is charged, whether another pair may try.</summary>
/// <param name="Reason">A bounded word for metrics, e.g. <c>ok</c>, <c>prefill_unreachable</c>.</param>
/// <param name="Status">HTTP status for the client while nothing has been sent; the engine's own where it gave one.</param>
/// <param name="Blame">Who is charged.</param>
/// <param name="Retryable">Whether a fresh pair and room may be tried, as long as nothing has reached the client.</param>
/// <param name="Side">The leg whose answer the client gets; null when the answer is ours.</param>
/// <param name="Message">For the client and the log.</param>
public sealed record Verdict(string Reason, int Status, Blame Blame, bool Retryable, LegSide? Side, string Message)
{
    public static Verdict Success { get; } = new("ok", 200, Blame.None, false, LegSide.Decode, "");

    /// <summary>499 is nginx's word for it; nobody is there to read it, the log and the metrics are.</summary>
    public static Verdict ClientGone { get; } = new(
        "client_gone", 499, Blame.Client, false, null, "The client closed the connection.");

    /// <summary>Only decode writes after the first output, so only decode can have stopped writing.</summary>
    public static Verdict Stalled { get; } =
        new("decode_stalled", 504, Blame.Decode, false, null, "The decode engine stopped writing in the middle of the answer.");

    public static Verdict ShuttingDown { get; } = new("shutting_down", 503, Blame.None, false, null, "The gateway is stopping.");

    /// <summary>
    /// Somebody aborted the request by its id before an engine had it; engines have the same status and words for it.
    /// </summary>
    public static Verdict AbortedEarly { get; } =
        new("client_aborted", 500, Blame.Client, false, null, "Aborted by AbortReq before an engine had it.");

    /// <summary>
    /// Nothing is wrong with the pair: the same one may try again, and the request has not used up a retry by it, once.
    /// </summary>
    public bool Resend { get; private init; }

    public bool IsSuccess => ReferenceEquals(this, Success);

    /// <summary>The first of the two limits ran out: without output, or for the whole request.</summary>
    public static Verdict OutOfTime(bool hadOutput) => hadOutput
        ? new("deadline", 504, Blame.None, false, null, "The request did not end within its time limit.")
        : new("no_output", 504, Blame.None, false, null, "The engines gave no output within the time limit.");

    /// <summary>The table. One row for each way in which the first leg to fail can fail.</summary>
    /// <param name="side">The leg that failed first; the other is cancelled because of it.</param>
    /// <param name="end">How it failed.</param>
    /// <param name="regular">The worker does both phases; there is no pair.</param>
    public static Verdict OfFailure(LegSide side, LegEnd end, bool regular)
    {
        var self = side == LegSide.Prefill ? Blame.Prefill : Blame.Decode;
        var name = regular ? "regular" : side == LegSide.Prefill ? "prefill" : "decode";
        // An engine that says nothing is quoted as nothing; a client is owed a sentence.
        var words = string.IsNullOrWhiteSpace(end.Message) ? $"The {name} engine answered with status {end.Status} and no words."
            : end.Message;
        // What a prefill answers is not the answer that the client asked for: that it failed means that the service is not there,
        // and its words are passed on in an error of ours.
        var (status, answering) = side == LegSide.Prefill ? (503, (LegSide?)null) : (end.Status, side);
        return end.Kind switch
        {
            // kind                                 reason                    status         charged        retry   answer
            LegEndKind.ClientError => new($"{name}_client_error", end.Status, Blame.Client, false, side, words),
            LegEndKind.Aborted => new($"{name}_aborted", end.Status, Blame.None, false, side, words),
            LegEndKind.Overloaded => new($"{name}_overloaded", end.Status, Blame.None, true, side, words),
            LegEndKind.GatewayError => new($"{name}_gateway_error", 500, Blame.Gateway, true, null, words),
            LegEndKind.EngineError => new($"{name}_error", status, self, true, answering, words),
            LegEndKind.TransferFailed => new($"{name}_transfer_failed", status, Blame.None, true, answering, words),
            LegEndKind.PartnerLost => new($"{name}_partner_lost", end.Status, Blame.Prefill, true, side, words),
            LegEndKind.Unreachable => new($"{name}_unreachable", 503, self, true, null, $"The {name} engine cannot be reached."),
            LegEndKind.Broken => new($"{name}_broken", 503, self, true, null, $"The {name} engine broke the connection."),
            LegEndKind.Stale => new(
                $"{name}_stale", 503, Blame.None, true, null, $"The {name} engine closed an idle connection.") { Resend = true },
            LegEndKind.Malformed =>
                new($"{name}_malformed", 502, self, true, null, $"The {name} engine sent an unreadable answer."),
            LegEndKind.Truncated => new($"{name}_truncated", 502, self, true, null, $"The {name} engine's stream ended early."),
            LegEndKind.Cancelled => new($"{name}_cancelled", 503, Blame.None, true, null, $"The {name} leg was cancelled."),
            _ => throw new ArgumentOutOfRangeException(nameof(end), end.Kind, "not a failure"),
        };
    }

    /// <summary>What the control plane is told of one leg, given the verdict over both.</summary>
    public LegOutcome OutcomeOf(LegSide side, LegEnd end) => (Blame, side) switch
    {
        (Blame.Prefill, LegSide.Prefill) => LegOutcome.Failed,
        (Blame.Decode, LegSide.Decode) => LegOutcome.Failed,
        // The request went well without this leg, yet the engine broke on it: a prefill that dies once its KV is away.
        (Blame.None, _) when end.IsOwnFault => LegOutcome.Failed,
        _ => end.IsOk ? LegOutcome.Succeeded : LegOutcome.Neutral,
    };
}
