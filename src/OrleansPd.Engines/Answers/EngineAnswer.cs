namespace OrleansPd.Engines.Answers;

/// <summary>Classifies an engine's failure by its status and its error text.</summary>
internal static class EngineAnswer
{
    /// <summary>
    /// A decode engine tries a dead bootstrap server 15 times, at least 1 s apart, and then fails with the text of an abort. A
    /// requested abort during the handshake fails at once. So the same text after half of the 15 s means a lost prefill engine.
    /// </summary>
    private static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(7.5);

    /// <summary>Texts about members and headers that the gateway added.</summary>
    private static readonly string[] GatewayErrors =
    [
        "without bootstrap room id",
        "routed_dp_rank=",
        "Invalid X-Data-Parallel-Rank",
        "invalid x-override-",
        "follow_bootstrap_room conflict",
        "bootstrap_room mismatch",
    ];

    private static readonly string[] TransferFailures =
    [
        "decode-side abort notification",
        "Prefill bootstrap failed",
        "Prefill transfer failed",
        "Decode transfer failed",
        "Metadata unexpectedly not ready",
    ];

    /// <param name="side">The leg that failed.</param>
    /// <param name="status">HTTP status, or the status inside an error frame; at least 400.</param>
    /// <param name="message">The engine's error text; may be empty.</param>
    /// <param name="elapsed">Time since the leg was sent.</param>
    /// <param name="ridIsOurs">Whether the gateway minted the request id: then a duplicate is the gateway's fault, else the
    /// client's.</param>
    public static LegEnd Classify(LegSide side, int status, string message, TimeSpan elapsed, bool ridIsOurs) =>
        new(KindOf(side, status, message, elapsed, ridIsOurs), status, message);

    private static LegEndKind KindOf(LegSide side, int status, string message, TimeSpan elapsed, bool ridIsOurs)
    {
        if (ContainsAny(message, GatewayErrors))
            return LegEndKind.GatewayError;
        if (Contains(message, "Duplicate request ID"))
            return ridIsOurs ? LegEndKind.GatewayError : LegEndKind.ClientError;
        if (status is 429 or 503)
            return LegEndKind.Overloaded;
        if (status < 500)
            return LegEndKind.ClientError;
        if (Contains(message, "Lost connection with prefill instance"))
            return LegEndKind.PartnerLost;
        var aborted = Contains(message, "Aborted by AbortReq");
        if (Contains(message, "Decode handshake failed"))
            return aborted && elapsed < HandshakePatience ? LegEndKind.Aborted : LegEndKind.PartnerLost;
        if (side == LegSide.Decode && Contains(message, "Could not fetch bootstrap info"))
            return LegEndKind.PartnerLost;
        return aborted ? LegEndKind.Aborted
            : ContainsAny(message, TransferFailures) ? LegEndKind.TransferFailed
            : LegEndKind.EngineError;
    }

    private static bool Contains(string message, string text) => message.Contains(text, StringComparison.Ordinal);

    private static bool ContainsAny(string message, string[] texts)
    {
        foreach (var text in texts)
        {
            if (Contains(message, text))
                return true;
        }
        return false;
    }
}
