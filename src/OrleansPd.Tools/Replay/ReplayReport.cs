namespace OrleansPd.Tools.Replay;

/// <summary>The result of a replay. Times to the first token and end to end are those of successful requests.</summary>
internal sealed record ReplayReport
{
    public required string Trace { get; init; }
    public required string Url { get; init; }
    public required string Endpoint { get; init; }
    public required bool Stream { get; init; }
    public required bool Interrupted { get; init; }
    public required TimeSpan Elapsed { get; init; }
    public required long Requests { get; init; }
    public required long Succeeded { get; init; }
    public required long Failed { get; init; }
    public required IReadOnlyDictionary<string, FailureCount> Failures { get; init; }
    public required long InputTokens { get; init; }
    public required long OutputTokens { get; init; }
    public required double RequestsPerSecond { get; init; }
    public required double OutputTokensPerSecond { get; init; }
    public required Distribution FirstOutput { get; init; }

    /// <summary>From one token to the next; counts failed requests' tokens too, up to their failure.</summary>
    public required Distribution BetweenTokens { get; init; }

    public required Distribution Total { get; init; }

    /// <summary>Delay of requests after their time in the trace; more than 0 means that --concurrency was the limit.</summary>
    public required Distribution Lag { get; init; }
}
