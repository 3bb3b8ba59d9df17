namespace OrleansPd.Net.Http1;

/// <summary>One request to one engine.</summary>
public readonly record struct UpstreamRequest
{
    public required Uri Engine { get; init; }

    /// <summary>Path and query, beginning with a slash.</summary>
    public required string Path { get; init; }

    /// <summary>Null = POST.</summary>
    public string? Method { get; init; }

    public UpstreamBody Body { get; init; }

    /// <summary>Sent as "Authorization: Bearer ...", in place of <see cref="Authorization"/>; null = none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The whole Authorization header, for requests without an <see cref="ApiKey"/>; null = none.</summary>
    public string? Authorization { get; init; }

    /// <summary>
    /// Limit for making a connection, at most <see cref="UpstreamOptions.ConnectTimeout"/>; null = that. Ignored by
    /// <see cref="HandlerUpstream"/>.
    /// </summary>
    public TimeSpan? ConnectTimeout { get; init; }

    /// <summary>Further headers. Names are ours, values were checked; null = none.</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers { get; init; }

    /// <summary>The Authorization header to send; null = none.</summary>
    internal string? Credentials => ApiKey is { } key ? "Bearer " + key : Authorization;
}
