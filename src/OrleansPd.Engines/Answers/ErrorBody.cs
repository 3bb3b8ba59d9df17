namespace OrleansPd.Engines.Answers;

/// <summary>Reads the error answers of engines, in each of their shapes.</summary>
public static class ErrorBody
{
    /// <summary>Maximum text taken from a body that is not JSON, in bytes: enough for a proxy's HTML page.</summary>
    private const int MaxRaw = 2048;

    /// <summary>
    /// The message of an error body: <c>error.message</c>, else <c>message</c>, else <c>error</c> if it is a string, else
    /// <c>detail</c> if it is a string, else the raw text.
    /// </summary>
    /// <param name="body">The body; may be empty or not JSON.</param>
    public static string Extract(ReadOnlySpan<byte> body)
    {
        var reader = new JsonObjectReader(body, 0);
        string? nested = null, message = null, error = null, detail = null;
        while (reader.Read())
        {
            if (reader.KeyIs("error"u8))
            {
                error = Text(reader.Token);
                nested = reader.Token[0] == '{' ? Text(JsonObjectReader.Find(body, reader.Value.Start, "message"u8).Of(body))
                    : null;
            }
            else if (reader.KeyIs("message"u8))
            {
                message = Text(reader.Token);
            }
            else if (reader.KeyIs("detail"u8))
            {
                detail = Text(reader.Token);
            }
        }
        if (!reader.Failed && (nested ?? message ?? error ?? detail) is { } found)
            return found;
        return Encoding.UTF8.GetString(body[..Math.Min(body.Length, MaxRaw)]).Trim();
    }

    /// <summary>
    /// Finds an abort in the body of an answer with status 200: the form of an abort without a status.
    /// </summary>
    /// <param name="body">The whole answer: an object, or on <c>/generate</c> an array of them.</param>
    /// <param name="dialect">The route it answers.</param>
    /// <param name="abort">The first abort, with its message and status if it has any.</param>
    public static bool TryReadAbort(ReadOnlySpan<byte> body, Dialect dialect, out EventFacts abort)
    {
        abort = default;
        if (!EventClassifier.MayBeError(body))
            return false;
        if (body.TrimStart(" \t\r\n"u8) is not [(byte)'[', ..])
        {
            abort = EventClassifier.Classify(body, dialect);
            return abort.Kind is EventKind.Abort;
        }
        var list = new JsonArrayReader(body, 0);
        while (list.Read())
        {
            abort = EventClassifier.Classify(list.Token, dialect);
            if (abort.Kind is EventKind.Abort)
                return true;
        }
        return false;
    }

    /// <summary>Reads the value of an <c>error</c> member: an object, or just a string.</summary>
    internal static EventFacts ReadError(ReadOnlySpan<byte> data, Slice error)
    {
        if (data[error.Start] != '{')
            return new(EventKind.Error, Text(error.Of(data)) ?? Encoding.UTF8.GetString(error.Of(data)));
        return new(
            EventKind.Error,
            Text(JsonObjectReader.Find(data, error.Start, "message"u8).Of(data)),
            Integer(JsonObjectReader.Find(data, error.Start, "code"u8).Of(data)));
    }

    /// <summary>A string token as text, null for anything else. With lone surrogates, the raw token.</summary>
    internal static string? Text(ReadOnlySpan<byte> token)
    {
        if (JsonText.TryGetString(token, out var text))
            return text;
        return JsonText.IsString(token) ? Encoding.UTF8.GetString(token[1..^1]) : null;
    }

    /// <summary>
    /// A status as a number, or as digits in quotes (flat bodies have it so in <c>type</c>, some builds in <c>code</c>).
    /// </summary>
    internal static int? Integer(ReadOnlySpan<byte> token)
    {
        if (token is [(byte)'"', .., (byte)'"'])
            token = token[1..^1];
        return !token.IsEmpty && JsonText.TryGetInteger(token, out var value) && value is >= 100 and <= 599 ? (int)value : null;
    }
}
