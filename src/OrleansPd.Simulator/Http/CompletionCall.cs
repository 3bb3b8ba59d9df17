namespace OrleansPd.Simulator.Http;

/// <summary><c>/v1/completions</c>, with one prompt or several.</summary>
internal sealed class CompletionCall(EngineProcess engine, RequestIntake intake) : OpenAiCall(engine, intake)
{
    private const int DefaultLength = 16;

    protected override string ObjectName => "text_completion";

    protected override OpenAiRequest Build(JsonElement root, int? headerRank)
    {
        var prompt = root.Member("prompt") ?? throw JsonMembers.Wrong("prompt", "a string or a list");
        var batch = prompt.IsListOfLists()
            || (prompt is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
                && list[0].ValueKind == JsonValueKind.String);
        List<JsonElement> prompts = batch ? [.. prompt.EnumerateArray()] : [prompt];
        var (sampling, n, rejection) = SamplingReader.OpenAi(root, DefaultLength);
        var spec = LogprobSpec.None;
        if (root.Int("logprobs") is { } top)
            spec = new LogprobSpec(true, -1, top, [], true);
        var samples = Engine.Options.Role == EngineRole.Regular ? n : 1;
        var requests = new List<SimRequest>();
        for (var i = 0; i < prompts.Count; i++)
        {
            var tokens = prompts[i].ValueKind == JsonValueKind.String ? Tokenizer.Tokens(prompts[i].GetString()!)
                : prompts[i].Ints();
            var pd = ReadPd(root, batch, i, headerRank);
            var rid = RidOf(root, i, prompts.Count);
            for (var sample = 0; sample < samples; sample++)
            {
                requests.Add(Intake.Build(
                    samples == 1 ? rid : $"{rid}_{Intake.NewRid()}", tokens, sampling with { Seed = sampling.Seed + sample },
                    pd, spec, Salt(root), n, rejection));
            }
        }
        return Make(root, requests, samples) with { Echo = root.Flag("echo") ? [.. prompts.Select(EchoOf)] : [] };
    }

    protected override void WriteChoice(Utf8JsonWriter json, OpenAiRequest call, Answer answer, int index)
    {
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteString("text", EchoAt(call, index) + answer.Text);
        WriteLogprobs(json, answer.Request, answer.Tokens);
        json.WriteString("finish_reason", FinishName(answer.Finish!));
        WriteMatched(json, answer.Finish);
        json.WriteEndObject();
    }

    protected override ValueTask<bool> WriteStepAsync(
        EventStream events, OpenAiRequest call, Answer answer, StepOut step, int index) =>
        events.WriteAsync(json =>
        {
            WriteHead(json, call, answer.Request.Rid, ObjectName);
            json.WriteStartArray("choices");
            json.WriteStartObject();
            json.WriteNumber("index", index);
            json.WriteString("text", (answer.Tokens.Count == 1 ? EchoAt(call, index) : "") + step.Text);
            WriteLogprobs(json, answer.Request, step.Token is { } token ? [token] : null);
            json.WriteString("finish_reason", step.Finish is { } finish ? FinishName(finish) : null);
            WriteMatched(json, step.Finish);
            json.WriteEndObject();
            json.WriteEndArray();
            if (call.ContinuousUsage)
                WriteUsage(json, call.PromptTokens, answer.Tokens.Count, call.CachedTokens);
            else
                json.WriteNull("usage");
            json.WriteEndObject();
        });

    private static string EchoOf(JsonElement prompt) =>
        prompt.ValueKind == JsonValueKind.String ? prompt.GetString()! : Tokenizer.Text(prompt.Ints());

    private static string EchoAt(OpenAiRequest call, int index) => call.Echo.Count == 0 ? "" : call.Echo[index / call.Samples];

    private void WriteLogprobs(Utf8JsonWriter json, SimRequest request, IReadOnlyList<TokenOut>? tokens)
    {
        if (!request.Logprobs.Wanted || tokens is null)
        {
            json.WriteNull("logprobs");
            return;
        }
        json.WriteStartObject("logprobs");
        json.WriteStartArray("text_offset");
        foreach (var _ in tokens)
            json.WriteNumberValue(-1);
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var token in tokens)
            json.WriteNumberValue(token.Logprob);
        json.WriteEndArray();
        json.WriteStartArray("tokens");
        foreach (var token in tokens)
            json.WriteStringValue(Vocabulary.TextOf(token.Id));
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            foreach (var (value, id) in Logprobs.Top(
                token.Random, token.Id, request.Logprobs.Top, Engine.Options.Model.FancyTokens)
                .DistinctBy(top => top.Id))
            {
                json.WriteNumber(Vocabulary.TextOf(id), value);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
