namespace OrleansPd.Simulator.Http;

/// <summary>The JSON of one <c>/generate</c> answer or frame.</summary>
internal static class GenerateShape
{
    /// <summary>Writes the whole of it, or with incremental output only the newest <paramref name="fresh"/> tokens.</summary>
    public static void Write(Utf8JsonWriter json, EngineProcess engine, Answer answer, int? index, int fresh, string freshText)
    {
        var delta = index is not null || fresh > 0 || freshText.Length > 0;
        var from = delta && engine.Options.IncrementalStreamingOutput ? answer.Tokens.Count - fresh : 0;
        json.WriteStartObject();
        json.WriteString("text", from == 0 && !(delta && engine.Options.IncrementalStreamingOutput) ? answer.Text.ToString()
            : freshText);
        json.WriteStartArray("output_ids");
        for (var i = from; i < answer.Tokens.Count; i++)
            json.WriteNumberValue(answer.Tokens[i].Id);
        json.WriteEndArray();
        WriteMeta(json, engine, answer, from);
        if (index is { } at)
            json.WriteNumber("index", at);
        json.WriteEndObject();
    }

    private static void WriteMeta(Utf8JsonWriter json, EngineProcess engine, Answer answer, int from)
    {
        var request = answer.Request;
        json.WriteStartObject("meta_info");
        json.WriteString("id", request.Rid);
        WriteFinish(json, answer.Finish);
        if (answer.Finish is not { Type: "abort", Message: "Abort in waiting queue" })
            json.WriteNumber("prompt_tokens", request.Tokens.Length);
        json.WriteString("weight_version", engine.WeightVersion);
        json.WriteNumber("num_retractions", request.Retractions);
        json.WriteNumber("reasoning_tokens", 0);
        json.WriteNumber("completion_tokens", answer.Tokens.Count);
        json.WriteNumber("cached_tokens", request.CachedTokens);
        json.WriteNull("cached_tokens_details");
        if (engine.Options.DpSize > 1)
            json.WriteNumber("dp_rank", request.Rank);
        else
            json.WriteNull("dp_rank");
        if (request.Logprobs.Wanted && answer.Finish?.Type != "abort")
            WriteLogprobs(json, engine, answer, from);
        if (answer.Finish is not null)
            json.WriteNumber("e2e_latency", Math.Round(engine.Clock.GetElapsedTime(answer.StartedAt).TotalSeconds, 4));
        json.WriteNumber("response_sent_to_client_ts", engine.Clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0);
        json.WriteEndObject();
    }

    private static void WriteFinish(Utf8JsonWriter json, Finish? finish)
    {
        if (finish is null)
        {
            json.WriteNull("finish_reason");
            return;
        }
        json.WriteStartObject("finish_reason");
        json.WriteString("type", finish.Type);
        switch (finish.Type)
        {
            case "length":
                json.WriteNumber("length", finish.Length!.Value);
                break;
            case "stop" when finish.MatchedToken is { } token:
                json.WriteNumber("matched", token);
                break;
            case "stop":
                json.WriteString("matched", finish.MatchedText);
                break;
            default:
                json.WriteString("message", finish.Message);
                if (finish.Status is { } status)
                    json.WriteNumber("status_code", status);
                else
                    json.WriteNull("status_code");
                json.WriteNull("err_type");
                break;
        }
        json.WriteEndObject();
    }

    private static void WriteLogprobs(Utf8JsonWriter json, EngineProcess engine, Answer answer, int from)
    {
        var spec = answer.Request.Logprobs;
        // Only where a forward pass over the prompt ran are there values of the prompt.
        var prompt = engine.Options.Role == EngineRole.Decode || spec.StartLen < 0
            ? [] : Logprobs.OfPrompt(answer.Request.Tokens, spec.StartLen);
        var fancy = engine.Options.Model.FancyTokens;
        json.WriteStartArray("input_token_logprobs");
        foreach (var (value, id, _) in prompt)
            WriteTriple(json, value, id, spec.WithText);
        json.WriteEndArray();
        json.WriteStartArray("output_token_logprobs");
        foreach (var token in answer.Tokens.Skip(from))
            WriteTriple(json, token.Logprob, token.Id, spec.WithText);
        json.WriteEndArray();
        json.WriteNumber("output_token_logprobs_length", answer.Tokens.Count);
        if (spec.Top > 0)
        {
            WriteLists(json, "input_top_logprobs", prompt.Select(
                p => p.Value is null ? null : Logprobs.Top(p.Random, p.Id, spec.Top, fancy)), spec);
            WriteLists(json, "output_top_logprobs", answer.Tokens.Skip(from)
                .Select(t => Logprobs.Top(t.Random, t.Id, spec.Top, fancy)), spec);
        }
        if (spec.TokenIds.Count > 0)
        {
            WriteLists(json, "input_token_ids_logprobs", prompt.Select(p => p.Value is null ? null : Chosen(p.Random)), spec);
            // The first token's values do not travel with the KV.
            var missing = engine.Options.Role == EngineRole.Decode && from == 0 ? 1 : 0;
            WriteLists(json, "output_token_ids_logprobs", answer.Tokens.Skip(from + missing).Select(t => Chosen(t.Random)), spec);
        }

        TokenLogprob[] Chosen(ulong random) => [.. spec.TokenIds.Select(id => new TokenLogprob(Logprobs.Value(random, id), id))];
    }

    private static void WriteLists(Utf8JsonWriter json, string name, IEnumerable<TokenLogprob[]?> lists, LogprobSpec spec)
    {
        json.WriteStartArray(name);
        foreach (var list in lists)
        {
            if (list is null)
            {
                json.WriteNullValue();
                continue;
            }
            json.WriteStartArray();
            foreach (var (value, id) in list)
                WriteTriple(json, value, id, spec.WithText);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static void WriteTriple(Utf8JsonWriter json, double? value, int id, bool withText)
    {
        json.WriteStartArray();
        if (value is { } number)
            json.WriteNumberValue(number);
        else
            json.WriteNullValue();
        json.WriteNumberValue(id);
        if (withText)
            json.WriteStringValue(Vocabulary.TextOf(id));
        else
            json.WriteNullValue();
        json.WriteEndArray();
    }
}
