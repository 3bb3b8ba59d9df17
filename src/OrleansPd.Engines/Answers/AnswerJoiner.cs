namespace OrleansPd.Engines.Answers;

/// <summary>Joins the answers of the single requests that a request was split into.</summary>
public static class AnswerJoiner
{
    /// <summary>Joins <c>/generate</c> answers to the array the client expects.</summary>
    /// <param name="parts">One JSON object each, prompt-major (prompt * n + sample). Not empty.</param>
    /// <param name="output">Receives the result; nothing if the method fails.</param>
    /// <returns>False if a part is not a JSON object.</returns>
    public static bool JoinGenerate(IReadOnlyList<ReadOnlyMemory<byte>> parts, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(output);
        foreach (var part in parts)
        {
            var reader = new JsonObjectReader(part.Span, 0);
            while (reader.Read())
            {
            }
            if (reader.Failed)
                return false;
        }
        output.Write("["u8);
        for (var at = 0; at < parts.Count; at++)
        {
            if (at > 0)
                output.Write(","u8);
            output.Write(parts[at].Span.Trim(" \t\r\n"u8));
        }
        output.Write("]"u8);
        return true;
    }

    /// <summary>
    /// Joins chat or completion answers: <c>choices</c> of all parts in order with indices from 0, <c>usage</c> with the
    /// completion (and reasoning) tokens of all parts and the prompt (and cached) tokens of the first sample of each prompt.
    /// Everything else is copied from part 0.
    /// </summary>
    /// <param name="parts">One JSON object each, prompt-major (prompt * n + sample). Not empty.</param>
    /// <param name="dialect">Chat or completions.</param>
    /// <param name="samples">Parts that share one prompt (<c>n</c>).</param>
    /// <param name="id">The common id; null keeps part 0's.</param>
    /// <param name="output">Receives the result; nothing if the method fails.</param>
    /// <returns>False if a part is not a JSON object with <c>choices</c>.</returns>
    public static bool JoinOpenAi(
        IReadOnlyList<ReadOnlyMemory<byte>> parts, Dialect dialect, int samples, string? id, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Count, nameof(parts));
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        long prompt = 0, completion = 0, reasoning = 0, cached = 0;
        for (var at = 0; at < parts.Count; at++)
        {
            var part = parts[at].Span;
            if (ChoicesOf(part).IsNone)
                return false;
            if (!SampleRewriter.TryReadUsage(part, dialect, out var usage))
                continue;
            completion += usage.CompletionTokens;
            reasoning += usage.ReasoningTokens;
            if (at % samples != 0)
                continue;
            prompt += usage.PromptTokens;
            cached += usage.CachedTokens;
        }
        var first = parts[0].Span;
        var patch = new JsonPatch(first, 0, output);
        var reader = new JsonObjectReader(first, 0);
        while (reader.Read())
        {
            if (reader.KeyIs("choices"u8) && reader.Token[0] == '[')
            {
                patch.CopyTo(reader.Value.Start);
                WriteChoices(parts, output);
                patch.Skip(reader.Value.End);
            }
            else if (reader.KeyIs("usage"u8))
            {
                SampleRewriter.WriteUsage(first, reader.Value, new(prompt, completion, reasoning, cached), ref patch);
            }
            else if (reader.KeyIs("id"u8) && id is not null)
            {
                patch.CopyTo(reader.Value.Start);
                JsonPatch.WriteString(output, id);
                patch.Skip(reader.Value.End);
            }
        }
        patch.CopyTo(first.Length);
        return true;
    }

    private static void WriteChoices(IReadOnlyList<ReadOnlyMemory<byte>> parts, IBufferWriter<byte> output)
    {
        var index = 0;
        output.Write("["u8);
        foreach (var memory in parts)
        {
            var part = memory.Span;
            var list = new JsonArrayReader(part, ChoicesOf(part).Start);
            for (; list.Read(); index++)
            {
                if (index > 0)
                    output.Write(","u8);
                var patch = new JsonPatch(part, list.Value.Start, output);
                var choice = new JsonObjectReader(part, list.Value.Start);
                while (choice.Read())
                {
                    if (choice.KeyIs("index"u8))
                        patch.Replace(choice.Value, index);
                }
                patch.CopyTo(list.Value.End);
            }
        }
        output.Write("]"u8);
    }

    private static Slice ChoicesOf(ReadOnlySpan<byte> part)
    {
        var choices = JsonObjectReader.Find(part, 0, "choices"u8);
        return choices.IsNone || part[choices.Start] != '[' ? default : choices;
    }
}
