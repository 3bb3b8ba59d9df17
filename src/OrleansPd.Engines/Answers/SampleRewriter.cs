namespace OrleansPd.Engines.Answers;

/// <summary>
/// Rewrites the answer of one part of a split request as a part of the whole answer: its index, the common id,
/// the summed usage. All other bytes stay. Works on whole answers and on the payloads of stream events.
/// </summary>
public static class SampleRewriter
{
    /// <summary>
    /// Rewrites the index and the id. OpenAI: <c>choices[].index</c> and <c>id</c>. <c>/generate</c>: <c>index</c>, inserted if
    /// missing, and <c>meta_info.id</c>.
    /// </summary>
    /// <param name="data">A JSON object.</param>
    /// <param name="dialect">The route it answers.</param>
    /// <param name="index">Its index among the parts, from 0, prompt-major.</param>
    /// <param name="id">The common id; null keeps the ids.</param>
    /// <param name="output">Receives the result; nothing if the method fails.</param>
    /// <returns>False if the data is not a JSON object; relay it unchanged.</returns>
    public static bool Rewrite(ReadOnlySpan<byte> data, Dialect dialect, int index, string? id, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (!IsObject(data, out var inside, out var hasIndex))
            return false;
        var patch = new JsonPatch(data, 0, output);
        if (dialect == Dialect.Generate && !hasIndex)
        {
            patch.CopyTo(inside);
            output.Write("\"index\":"u8);
            JsonPatch.Write(output, index);
            output.Write(","u8);
        }
        var reader = new JsonObjectReader(data, 0);
        while (reader.Read())
        {
            if (dialect == Dialect.Generate)
            {
                if (reader.KeyIs("index"u8))
                    patch.Replace(reader.Value, index);
                else if (reader.KeyIs("meta_info"u8) && id is not null)
                    ReplaceId(data, reader.Value.Start, id, ref patch, output);
            }
            else if (reader.KeyIs("choices"u8))
            {
                WriteIndices(data, reader.Value, index, ref patch);
            }
            else if (reader.KeyIs("id"u8) && id is not null)
            {
                patch.CopyTo(reader.Value.Start);
                JsonPatch.WriteString(output, id);
                patch.Skip(reader.Value.End);
            }
        }
        patch.CopyTo(data.Length);
        return true;
    }

    /// <summary>Reads the token counts: OpenAI <c>usage</c>, on <c>/generate</c> those of <c>meta_info</c>.</summary>
    /// <param name="data">A JSON object.</param>
    /// <param name="dialect">The route it answers.</param>
    /// <param name="usage">The counts.</param>
    /// <returns>False if there are none.</returns>
    public static bool TryReadUsage(ReadOnlySpan<byte> data, Dialect dialect, out Usage usage)
    {
        usage = default;
        var counts = JsonObjectReader.Find(data, 0, dialect == Dialect.Generate ? "meta_info"u8 : "usage"u8);
        if (counts.IsNone)
            return false;
        long prompt = 0, completion = 0, reasoning = 0, cached = 0;
        var any = false;
        var reader = new JsonObjectReader(data, counts.Start);
        while (reader.Read())
        {
            if (reader.KeyIs("prompt_tokens_details"u8))
                JsonText.TryGetInteger(CachedIn(data, reader.Value).Of(data), out cached);
            else if (reader.KeyIs("prompt_tokens"u8))
                any |= JsonText.TryGetInteger(reader.Token, out prompt);
            else if (reader.KeyIs("completion_tokens"u8))
                any |= JsonText.TryGetInteger(reader.Token, out completion);
            else if (reader.KeyIs("reasoning_tokens"u8))
                JsonText.TryGetInteger(reader.Token, out reasoning);
            else if (reader.KeyIs("cached_tokens"u8))
                JsonText.TryGetInteger(reader.Token, out cached);
        }
        usage = new(prompt, completion, reasoning, cached);
        return any && !reader.Failed;
    }

    /// <summary>
    /// Rewrites the existing counts in an OpenAI <c>usage</c>, and the id: for the one usage chunk of a joined stream.
    /// </summary>
    /// <param name="data">A JSON object, the usage chunk of any part.</param>
    /// <param name="usage">The sums over all parts.</param>
    /// <param name="id">The common id; null keeps it.</param>
    /// <param name="output">Receives the result; nothing if the method fails.</param>
    /// <returns>False if the data is not a JSON object.</returns>
    public static bool RewriteUsage(ReadOnlySpan<byte> data, in Usage usage, string? id, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (!IsObject(data, out _, out _))
            return false;
        var patch = new JsonPatch(data, 0, output);
        var reader = new JsonObjectReader(data, 0);
        while (reader.Read())
        {
            if (reader.KeyIs("usage"u8))
            {
                WriteUsage(data, reader.Value, usage, ref patch);
            }
            else if (reader.KeyIs("id"u8) && id is not null)
            {
                patch.CopyTo(reader.Value.Start);
                JsonPatch.WriteString(output, id);
                patch.Skip(reader.Value.End);
            }
        }
        patch.CopyTo(data.Length);
        return true;
    }

    internal static void WriteUsage(ReadOnlySpan<byte> data, Slice at, in Usage usage, ref JsonPatch patch)
    {
        var reader = new JsonObjectReader(data, at.Start);
        while (reader.Read())
        {
            // Null means that the engine does not count this: it is kept.
            if (reader.Token[0] is < (byte)'0' or > (byte)'9')
            {
                if (reader.KeyIs("prompt_tokens_details"u8) && CachedIn(data, reader.Value) is { IsNone: false } cached)
                    patch.Replace(cached, usage.CachedTokens);
                continue;
            }
            if (reader.KeyIs("prompt_tokens"u8))
                patch.Replace(reader.Value, usage.PromptTokens);
            else if (reader.KeyIs("completion_tokens"u8))
                patch.Replace(reader.Value, usage.CompletionTokens);
            else if (reader.KeyIs("total_tokens"u8))
                patch.Replace(reader.Value, usage.TotalTokens);
            else if (reader.KeyIs("reasoning_tokens"u8))
                patch.Replace(reader.Value, usage.ReasoningTokens);
        }
    }

    /// <summary>Writes the index into each choice that has one.</summary>
    internal static void WriteIndices(ReadOnlySpan<byte> data, Slice choices, int index, ref JsonPatch patch)
    {
        var list = new JsonArrayReader(data, choices.Start);
        while (list.Read())
        {
            var choice = new JsonObjectReader(data, list.Value.Start);
            while (choice.Read())
            {
                if (choice.KeyIs("index"u8))
                    patch.Replace(choice.Value, index);
            }
        }
    }

    private static void ReplaceId(ReadOnlySpan<byte> data, int meta, string id, ref JsonPatch patch, IBufferWriter<byte> output)
    {
        var reader = new JsonObjectReader(data, meta);
        while (reader.Read())
        {
            if (!reader.KeyIs("id"u8))
                continue;
            patch.CopyTo(reader.Value.Start);
            JsonPatch.WriteString(output, id);
            patch.Skip(reader.Value.End);
        }
    }

    private static Slice CachedIn(ReadOnlySpan<byte> data, Slice details) =>
        data[details.Start] == '{' ? JsonObjectReader.Find(data, details.Start, "cached_tokens"u8) : default;

    /// <summary>
    /// Checks that the data is a complete object that is not empty, so that rewriting cannot fail in the middle.
    /// </summary>
    private static bool IsObject(ReadOnlySpan<byte> data, out int inside, out bool hasIndex)
    {
        inside = 0;
        hasIndex = false;
        var reader = new JsonObjectReader(data, 0);
        while (reader.Read())
        {
            if (inside == 0)
                inside = reader.Key.Start - 1;
            hasIndex |= reader.KeyIs("index"u8);
        }
        return !reader.Failed && inside > 0;
    }
}
