using System.Text.Json.Nodes;

namespace OrleansPd.Engines.Attempts;

/// <summary>The bodies of a stream that may be resumed: the first one, and those of the continuations.</summary>
internal static class ResumeBody
{
    /// <summary>
    /// Maximum of new tokens when the request has none: the native route's, and that of completions (OpenAI's default).
    /// </summary>
    private const int NativeDefault = 128, CompletionsDefault = 16;

    /// <summary>
    /// The client's body with usage requested on each chunk: only the engine knows how many tokens its text has.
    /// </summary>
    /// <returns>The same call on the native route, whose events have the counts anyway.</returns>
    public static DispatchCall First(DispatchCall call)
    {
        if (call.Shape.Dialect == Dialect.Generate)
            return call;
        var body = call.Body.Memory.Span;
        const string Usage = """{"include_usage":true,"continuous_usage_stats":true}""";
        using var text = new PooledBuffer(body.Length + 128);
        if (call.Shape.TryFindMember(RequestMember.StreamOptions, out var position))
        {
            text.Write(body[..position.Value.Start]);
            Write(text, Usage);
            text.Write(body[position.Value.End..]);
        }
        else
        {
            text.Write(body[..call.Shape.ObjectEnd]);
            Write(text, $",\"stream_options\":{Usage}");
            text.Write(body[call.Shape.ObjectEnd..]);
        }
        return With(call, text.Written.Span);
    }

    /// <summary>The request that makes another pair continue after the text that the client has.</summary>
    /// <returns>Null where nothing is left to generate, or the body cannot be written with the same meaning.</returns>
    public static DispatchCall? Next(DispatchCall first, StreamJournal journal)
    {
        using var text = new PooledBuffer();
        try
        {
            var request = JsonNode.Parse(first.Body.Memory.Span)!.AsObject();
            var good = first.Shape.Dialect switch
            {
                Dialect.Generate => NextNative(request, journal),
                Dialect.Chat => NextChat(request, journal),
                _ => NextCompletion(request, journal),
            };
            if (!good)
                return null;
            request.Remove("rid");
            using var json = new Utf8JsonWriter(text, JsonWriting.Options);
            request.WriteTo(json);
        }
        catch (Exception problem) when (Unreadable.Is(problem))
        {
            return null;
        }
        return With(first, text.Written.Span) with { ClientRids = [] };
    }

    private static bool NextNative(JsonObject request, StreamJournal journal)
    {
        var parameters = request["sampling_params"] as JsonObject ?? [];
        var left = ((long?)parameters["max_new_tokens"] ?? NativeDefault) - journal.Tokens;
        parameters["max_new_tokens"] = left;
        Lower(parameters, "min_new_tokens", journal.Tokens);
        request["sampling_params"] = parameters.Parent is null ? parameters : parameters.DeepClone();
        if (request["text"] is { } text)
            request["text"] = (string)text! + journal.Text;
        else
            AddIds(request, "input_ids", journal);
        return left > 0;
    }

    private static bool NextCompletion(JsonObject request, StreamJournal journal)
    {
        var left = ((long?)request["max_tokens"] ?? CompletionsDefault) - journal.Tokens;
        request["max_tokens"] = left;
        Lower(request, "min_tokens", journal.Tokens);
        if (request["prompt"] is not JsonValue prompt)
        {
            // The prompt is token ids and the stream has only text, which cannot be appended to ids exactly.
            return false;
        }
        request["prompt"] = (string)prompt! + journal.Text;
        return left > 0;
    }

    private static bool NextChat(JsonObject request, StreamJournal journal)
    {
        foreach (var name in (ReadOnlySpan<string>)["max_completion_tokens", "max_tokens"])
        {
            if (request[name] is { } max)
            {
                var left = (long)max - journal.Tokens;
                request[name] = left;
                if (left <= 0)
                    return false;
            }
        }
        Lower(request, "min_tokens", journal.Tokens);
        if (journal.Text.Length == 0)
            return true;
        request["messages"]!.AsArray().Add(new JsonObject { ["role"] = "assistant", ["content"] = journal.Text });
        request["continue_final_message"] = true;
        return true;
    }

    private static void Lower(JsonObject parameters, string name, long by)
    {
        if (parameters[name] is { } min)
            parameters[name] = Math.Max(0, (long)min - by);
    }

    private static void AddIds(JsonObject request, string name, StreamJournal journal)
    {
        var ids = request[name]!.AsArray();
        foreach (var id in journal.OutputIds)
            ids.Add(id);
    }

    private static DispatchCall With(DispatchCall call, ReadOnlySpan<byte> bytes)
    {
        var shape = new RequestShape();
        // The client's body passed the scan with the operator's limits; the additions are within the widest limits.
        var limits = new ScanLimits
        {
            MaxDepth = 1024,
            MaxBatch = int.MaxValue,
            MaxSamples = int.MaxValue,
            MaxFanOut = int.MaxValue,
        };
        if (!RequestScanner.TryScan(bytes, call.Shape.Dialect, limits, shape, out var error))
            throw new InvalidOperationException($"the body of a resumed stream is not valid: {error.Message}");
        return call with
        {
            Body = SharedBody.CopyOf(bytes),
            Shape = shape,
            Pair = call.Pair with
            {
                PromptTokens = shape.PromptTokensEstimate,
                MaxNewTokens = shape.MaxNewTokens,
                PrefixBlocks = default,
            },
        };
    }

    private static void Write(PooledBuffer output, string ascii)
    {
        var span = output.GetSpan(ascii.Length);
        output.Advance(System.Text.Encoding.ASCII.GetBytes(ascii, span));
    }
}
