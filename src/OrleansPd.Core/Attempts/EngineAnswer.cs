using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Attempts;

/// <summary>Reads an engine's status and words (protocol §2.7, §2.8) as a <see cref="LegEnd"/>.</summary>
public static class EngineAnswer
{
    /// <summary>
    /// A decode gives a dead bootstrap server 15 tries of at least 1 s and then ends with the words of an abort. An abort on
    /// request that hits a handshake is quick; so the same words after this time mean a lost prefill. Half of the 15 s.
    /// </summary>
    public static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(7.5);

    private static readonly string[] OurDoing =
    [
        "without bootstrap room id",
        "routed_dp_rank=",
        "Invalid X-Data-Parallel-Rank",
        "invalid x-override-",
        "follow_bootstrap_room conflict",
        "bootstrap_room mismatch",
    ];

    /// <param name="side">The leg that got the answer.</param>
    /// <param name="status">HTTP status or the status inside an error frame; at least 400. An abort without a status is no
    /// failure and never comes here.</param>
    /// <param name="message">The engine's words; may be empty.</param>
    /// <param name="elapsed">Since the leg was sent.</param>
    /// <param name="ridIsOurs">Whether we minted the request id; a duplicate is then our fault, else the client's.</param>
    public static LegEnd Classify(LegSide side, int status, string message, TimeSpan elapsed, bool ridIsOurs)
    {
        var kind = KindOf(side, status, message, elapsed, ridIsOurs);
        return new LegEnd(kind, status, message);
    }

    private static LegEndKind KindOf(LegSide side, int status, string message, TimeSpan elapsed, bool ridIsOurs)
    {
        foreach (var words in OurDoing)
        {
            if (message.Contains(words, StringComparison.Ordinal))
            {
                return LegEndKind.GatewayError;
            }
        }
        if (message.Contains("Duplicate request ID", StringComparison.Ordinal))
        {
            return ridIsOurs ? LegEndKind.GatewayError : LegEndKind.ClientError;
        }
        if (status is 429 or 503)
        {
            return LegEndKind.Overloaded;
        }
        if (status < 500)
        {
            return LegEndKind.ClientError;
        }
        if (message.Contains("Lost connection with prefill instance", StringComparison.Ordinal))
        {
            return LegEndKind.PartnerLost;
        }
        var aborted = message.Contains("Aborted by AbortReq", StringComparison.Ordinal);
        if (message.Contains("Decode handshake failed", StringComparison.Ordinal))
        {
            return aborted && elapsed < HandshakePatience ? LegEndKind.Aborted : LegEndKind.PartnerLost;
        }
        if (message.Contains("Could not fetch bootstrap info", StringComparison.Ordinal) && side == LegSide.Decode)
        {
            return LegEndKind.PartnerLost;
        }
        if (aborted)
        {
            return LegEndKind.Aborted;
        }
        if (message.Contains("decode-side abort notification", StringComparison.Ordinal)
            || message.Contains("Prefill bootstrap failed", StringComparison.Ordinal)
            || message.Contains("Prefill transfer failed", StringComparison.Ordinal)
            || message.Contains("Decode transfer failed", StringComparison.Ordinal)
            || message.Contains("Metadata unexpectedly not ready", StringComparison.Ordinal))
        {
            return LegEndKind.TransferFailed;
        }
        return LegEndKind.EngineError;
    }
}
