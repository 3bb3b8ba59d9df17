namespace OrleansPd.Tools.Replay;

/// <summary>The message in an error body of any shape.</summary>
internal static class ErrorText
{
    private const int MaxLength = 200;

    public static string Of(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            return Short(root.ToString());

        if (root.TryGetProperty("error", out var error))
        {
            if (error.ValueKind == JsonValueKind.Object && Text(error, "message") is { } inner)
                return Short(inner);

            if (error.ValueKind == JsonValueKind.String)
                return Short(error.GetString()!);
        }

        return Short(Text(root, "message") ?? Text(root, "detail") ?? root.ToString());
    }

    public static string Of(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return Of(json.RootElement);
        }
        catch (JsonException)
        {
            return Short(Encoding.UTF8.GetString(body.Span));
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Short(string text) => text.Length <= MaxLength ? text : text[..MaxLength] + "...";
}
