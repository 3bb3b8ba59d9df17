using System.Text.Json;

namespace OrleansPd.Standalone.Facade;

/// <summary>What the real bootstrap server answered, as it is to be passed on.</summary>
internal sealed record RouteReply(int Status, string? ContentType, byte[] Body)
{
    public bool IsOk => Status == 200;

    /// <summary>
    /// Makes <c>prefill_http_port</c> null, and leaves every other byte alone. A decode engine that retracts a request posts it
    /// to that port on the host it was told, which is ours: there it would meet nothing, or this gateway, which would take it for
    /// a new request. With null the engine fails a retracted request at once.
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
            // Not ours to judge: passed on as it is.
        }
        return this;
    }
}
