namespace OrleansPd.Standalone.Facade;

/// <summary>An answer of the real bootstrap server, to be relayed.</summary>
internal sealed record RouteReply(int Status, string? ContentType, byte[] Body)
{
    public bool IsOk => Status == 200;

    /// <summary>
    /// Sets <c>prefill_http_port</c> to null and keeps all other bytes. A decode engine that retracts a request posts it to that
    /// port at the facade's host, where nothing or this gateway listens, which would treat it as a new request. With null the
    /// engine fails a retracted request immediately.
    /// </summary>
    public RouteReply WithoutHttpPort()
    {
        var json = new Utf8JsonReader(Body);
        try
        {
            while (json.Read())
            {
                if (json.CurrentDepth == 1 && json.TokenType == JsonTokenType.PropertyName
                    && json.ValueTextEquals("prefill_http_port"u8))
                {
                    json.Read();
                    return json.TokenType == JsonTokenType.Null
                        ? this
                        : this with
                        {
                            Body = [.. Body.AsSpan(
                            0, (int)json.TokenStartIndex), .. "null"u8, .. Body.AsSpan((int)json.BytesConsumed)]
                        };
                }
            }
        }
        catch (JsonException)
        {
            // Not JSON: relayed unchanged.
        }
        return this;
    }
}
