namespace OrleansPd.Engines.Probes;

/// <summary>The answer to one call of an engine, with any status, or why there is none.</summary>
/// <param name="Status">HTTP status; 0 = no answer.</param>
/// <param name="Body">The body; empty without an answer.</param>
/// <param name="Problem">Why there is no answer; null when there is one.</param>
internal readonly record struct EngineCallReply(int Status, byte[] Body, string? Problem)
{
    public static EngineCallReply Refused { get; } = Failed("connection refused") with { IsRefused = true };

    public static EngineCallReply Failed(string problem) => new(0, [], problem);

    public bool IsRefused { get; private init; }
    public bool IsOk => Status == 200;

    /// <summary>The engine does not know the path, or not with this method.</summary>
    public bool IsUnknownPath => Status is (int)HttpStatusCode.NotFound or (int)HttpStatusCode.MethodNotAllowed;

    /// <summary>The body as a JSON object; null when it is none or the status is not 200.</summary>
    public JsonElement? Json() => IsOk && AnyJson() is { ValueKind: JsonValueKind.Object } root ? root : null;

    /// <summary>The body as JSON, with any status and of any kind; null when it is not JSON.</summary>
    public JsonElement? AnyJson()
    {
        try
        {
            using var document = JsonDocument.Parse(Body);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
