namespace OrleansPd.Core.Requests;

/// <summary>Why a lease got its pair, in numbers; the text is made on demand.</summary>
public readonly record struct RouteExplanation
{
    /// <summary>Why a pair, or why a regular worker.</summary>
    public RouteReason Route { get; init; }

    /// <summary>The policy that chose the prefill; null for a regular worker, and where nothing was recorded.</summary>
    public string? PrefillPolicy { get; init; }

    /// <summary>The policy that chose the decode or regular worker; null where nothing was recorded.</summary>
    public string? DecodePolicy { get; init; }

    /// <summary>Ranks among which the policy chose.</summary>
    public int PrefillCandidates { get; init; }

    public int DecodeCandidates { get; init; }

    /// <summary>Score of the chosen rank before this request: its load in tokens, lower is better.</summary>
    public long PrefillScore { get; init; }

    public long DecodeScore { get; init; }

    /// <summary>Prompt tokens that the chosen worker must compute, as far as the content of its cache is known.</summary>
    public long UncachedTokens { get; init; }

    /// <summary>Time in the queue.</summary>
    public TimeSpan Waited { get; init; }

    /// <summary>The request is the half-open request of a worker whose breaker is open.</summary>
    public bool IsHalfOpen { get; init; }

    public bool IsNone => DecodePolicy is null;

    public override string ToString()
    {
        if (IsNone)
            return "";
        var target = Route switch
        {
            RouteReason.Pair => "pair",
            RouteReason.RegularBusy => "pair (short prompt, but no regular worker had room)",
            RouteReason.OnlyRegular => "regular worker (no pair could serve it)",
            RouteReason.ShortPrompt => "regular worker (short prompt)",
            RouteReason.Fallback => "regular worker (no pair was usable)",
            _ => Route.ToString(),
        };
        var prefill = PrefillPolicy is null ? "" : Side("prefill", PrefillPolicy, PrefillScore, PrefillCandidates);
        var decode = Side(PrefillPolicy is null ? "regular" : "decode", DecodePolicy!, DecodeScore, DecodeCandidates);
        return $"{target}; {prefill}{decode}"
            + string.Create(CultureInfo.InvariantCulture,
                $"{UncachedTokens} tokens to compute; waited {Waited.TotalMilliseconds:0} ms")
            + (IsHalfOpen ? "; half-open request to a worker whose breaker is open" : "");
    }

    private static string Side(string role, string policy, long score, int candidates) =>
        string.Create(CultureInfo.InvariantCulture, $"{role} by {policy}, score {score} of {candidates} ranks; ");
}
