namespace OrleansPd.Simulator.Http;

/// <summary><c>/v1/chat/completions</c>.</summary>
internal sealed class ChatCall(EngineProcess engine, RequestIntake intake) : OpenAiCall(engine, intake)
{
    protected override string ObjectName => "chat.completion";

    protected override OpenAiRequest Build(JsonElement root, int? headerRank)
    {
        var turns = Turns(root);
        var tokens = root.Member("input_ids") is { } ids
            ? ids.Ints()
            : Tokenizer.Tokens(ChatTemplate.Render(turns, root.Flag("continue_final_message")));
        var (sampling, n, rejection) = SamplingReader.OpenAi(root, Engine.Options.ContextLength);
        var spec = LogprobSpec.None;
        if (root.Flag("logprobs"))
            spec = new LogprobSpec(true, -1, root.Int("top_logprobs") ?? 0, [], true);
        var pd = ReadPd(root, false, 0, headerRank);
        var samples = Engine.Options.Role == EngineRole.Regular ? n : 1;
        var rid = RidOf(root, 0, 1);
        var requests = Enumerable.Range(0, samples).Select(sample => Intake.Build(
            samples == 1 ? rid : $"{rid}_{Intake.NewRid()}", tokens, sampling with { Seed = sampling.Seed + sample },
            pd, spec, Salt(root), n, rejection)).ToList();
        return Make(root, requests, samples) with { ForcedTool = ForcedTool(root) };
    }

    protected override void WriteChoice(Utf8JsonWriter json, OpenAiRequest call, Answer answer, int index)
    {
        var text = answer.Text.ToString();
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", call.ForcedTool is null ? text : null);
        json.WriteNull("reasoning_content");
        if (call.ForcedTool is { } tool)
        {
            json.WriteStartArray("tool_calls");
            WriteToolCall(json, answer, tool, Arguments(text));
            json.WriteEndArray();
        }
        else
        {
            json.WriteNull("tool_calls");
        }
        json.WriteEndObject();
        WriteLogprobs(json, answer.Request, answer.Tokens);
        json.WriteString("finish_reason", call.ForcedTool is null ? FinishName(answer.Finish!) : "tool_calls");
        WriteMatched(json, answer.Finish);
        json.WriteEndObject();
    }

    protected override async ValueTask<bool> WriteStepAsync(
        EventStream events, OpenAiRequest call, Answer answer, StepOut step, int index)
    {
        var first = answer.Tokens.Count <= 1 && step.Token is not null;
        if (first && !await events.WriteAsync(json => WriteChunk(json, call, answer, index, null, delta =>
            {
                delta.WriteNull("reasoning_content");
                delta.WriteString("role", "assistant");
                delta.WriteString("content", "");
            }, null)))
        {
            return false;
        }
        var text = step.Text;
        if (call.ForcedTool is { } tool)
        {
            if (!await WriteToolStepAsync(events, call, answer, step, index, tool, first))
                return false;
        }
        else if ((text.Length > 0 || answer.Request.Logprobs.Wanted) && step.Token is not null
            && !await events.WriteAsync(json => WriteChunk(
                json, call, answer, index, null, delta => delta.WriteString("content", text), step.Token)))
        {
            return false;
        }
        return step.Finish is not { } finish || await events.WriteAsync(
            json => WriteChunk(json, call, answer, index, finish, static _ => { }, null));
    }

    private async ValueTask<bool> WriteToolStepAsync(
        EventStream events, OpenAiRequest call, Answer answer, StepOut step, int index, string tool, bool first)
    {
        var part = JsonEncodedText.Encode(step.Text, Replies.Relaxed.Encoder).ToString();
        part = (first ? "{\"answer\": \"" : "") + part + (step.Finish is null ? "" : "\"}");
        return await events.WriteAsync(json => WriteChunk(json, call, answer, index, null, delta =>
        {
            delta.WriteStartArray("tool_calls");
            WriteToolCall(delta, answer, first ? tool : null, part);
            delta.WriteEndArray();
        }, null));
    }

    private void WriteChunk(
        Utf8JsonWriter json, OpenAiRequest call, Answer answer, int index, Finish? finish, Action<Utf8JsonWriter> writeDelta,
        TokenOut? token)
    {
        WriteHead(json, call, call.Requests.Count == 1 ? answer.Request.Rid : call.Requests[index].Rid, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteStartObject("delta");
        writeDelta(json);
        json.WriteEndObject();
        WriteLogprobs(json, answer.Request, token is null ? null : [token]);
        json.WriteString("finish_reason", finish is null ? null : call.ForcedTool is null ? FinishName(finish) : "tool_calls");
        WriteMatched(json, finish);
        json.WriteEndObject();
        json.WriteEndArray();
        if (call.ContinuousUsage)
            WriteUsage(json, call.PromptTokens, answer.Tokens.Count, call.CachedTokens);
        json.WriteEndObject();
    }

    private static void WriteToolCall(Utf8JsonWriter json, Answer answer, string? name, string arguments)
    {
        json.WriteStartObject();
        json.WriteString("id", name is null ? null : $"call_{Mixing.OfText(answer.Request.Rid):x16}");
        json.WriteNumber("index", 0);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string Arguments(string text) =>
        $"{{\"answer\": \"{JsonEncodedText.Encode(text, Replies.Relaxed.Encoder)}\"}}";

    private void WriteLogprobs(Utf8JsonWriter json, SimRequest request, IReadOnlyList<TokenOut>? tokens)
    {
        if (!request.Logprobs.Wanted || tokens is null)
        {
            json.WriteNull("logprobs");
            return;
        }
        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            WriteToken(json, token.Id, token.Logprob);
            json.WriteStartArray("top_logprobs");
            foreach (var (value, id) in Logprobs.Top(
                token.Random, token.Id, request.Logprobs.Top, Engine.Options.Model.FancyTokens))
            {
                json.WriteStartObject();
                WriteToken(json, id, value);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();

        static void WriteToken(Utf8JsonWriter json, int id, double value)
        {
            var text = Vocabulary.TextOf(id);
            json.WriteString("token", text);
            json.WriteStartArray("bytes");
            foreach (var octet in Encoding.UTF8.GetBytes(text))
                json.WriteNumberValue(octet);
            json.WriteEndArray();
            json.WriteNumber("logprob", value);
        }
    }

    private static List<ChatTurn> Turns(JsonElement root)
    {
        if (root.Member("messages") is not { ValueKind: JsonValueKind.Array } messages || messages.GetArrayLength() == 0)
            throw new ApiError(400, "Messages cannot be empty.");
        return [.. messages.EnumerateArray().Select(message => new ChatTurn(message.Text("role") ?? "user", Content(message)))];
    }

    private static string Content(JsonElement message) => message.Member("content") switch
    {
        null => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(part =>
            part.Text("type") == "text" ? part.Text("text") ?? "" : $" <|{part.Text("type")}|>")),
        _ => throw JsonMembers.Wrong("messages", "a valid message"),
    };

    private static string? ForcedTool(JsonElement root) => root.Member("tool_choice") switch
    {
        { ValueKind: JsonValueKind.Object } choice => choice.Member("function")?.Text("name"),
        { ValueKind: JsonValueKind.String } word when word.GetString() == "required" =>
            root.Member("tools") is { ValueKind: JsonValueKind.Array } tools && tools.GetArrayLength() > 0
                ? tools[0].Member("function")?.Text("name") : null,
        _ => null,
    };
}
