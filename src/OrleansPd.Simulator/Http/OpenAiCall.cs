namespace OrleansPd.Simulator.Http;

/// <summary>What chat and completions have in common.</summary>
internal abstract class OpenAiCall(EngineProcess engine, RequestIntake intake)
{
    protected EngineProcess Engine => engine;
    protected RequestIntake Intake => intake;

    public async Task AnswerAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: true);
        var root = body.RootElement;
        var call = Build(root, HeaderRank(context));
        if (await EngineApi.ApplyFaultsAsync(context, engine, call.Requests[0].Rid))
            return;
        EventStream? events = null;
        using var left = intake.WatchClient(context, call.Requests, () => events is { Started: true });
        await intake.SubmitAsync(call.Requests, context.RequestAborted);
        if (call.Stream)
        {
            events = new EventStream(context, engine.Faults, call.Requests[0].Rid);
            await StreamAsync(context, call, events);
        }
        else
        {
            await WholeAsync(context, call);
        }
    }

    protected abstract OpenAiRequest Build(JsonElement root, int? headerRank);

    protected abstract void WriteChoice(Utf8JsonWriter json, OpenAiRequest call, Answer answer, int index);

    protected abstract ValueTask<bool> WriteStepAsync(
        EventStream events, OpenAiRequest call, Answer answer, StepOut step, int index);

    protected abstract string ObjectName { get; }

    protected static string FinishName(Finish finish) => finish.Type;

    protected static void WriteHead(Utf8JsonWriter json, OpenAiRequest call, string id, string objectName)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", objectName);
        json.WriteNumber("created", call.Created);
        json.WriteString("model", call.Model);
    }

    protected static void WriteMatched(Utf8JsonWriter json, Finish? finish)
    {
        if (finish?.MatchedToken is { } token)
            json.WriteNumber("matched_stop", token);
        else
            json.WriteString("matched_stop", finish?.MatchedText);
    }

    protected void WriteUsage(Utf8JsonWriter json, int prompt, int completion, int cached)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("total_tokens", prompt + completion);
        json.WriteNumber("completion_tokens", completion);
        if (engine.Options.EnableCacheReport && cached > 0)
        {
            json.WriteStartObject("prompt_tokens_details");
            json.WriteNumber("cached_tokens", cached);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("prompt_tokens_details");
        }
        json.WriteNumber("reasoning_tokens", 0);
        json.WriteEndObject();
    }

    protected OpenAiRequest Make(JsonElement root, IReadOnlyList<SimRequest> requests, int samples)
    {
        TrainerCalls.CheckAdapter(engine, root);
        var options = root.Member("stream_options");
        return new OpenAiRequest(requests, root.Flag("stream"), root.Text("model") ?? engine.ModelName,
            engine.Clock.GetUtcNow().ToUnixTimeSeconds(), samples)
        {
            IncludeUsage = engine.Options.StreamDefaultIncludeUsage || (options?.Flag("include_usage") ?? false),
            ContinuousUsage = options?.Flag("continuous_usage_stats") ?? false,
        };
    }

    /// <summary>The Rust front end reads these members on <c>/generate</c> only.</summary>
    protected PdFields ReadPd(JsonElement root, bool batch, int index, int? headerRank) => engine.Options.RustFrontEnd
        ? new PdFields(null, null, null, null, null)
        : PdReader.Read(root, batch, index, engine.Options.Role, headerRank ?? root.Int("routed_dp_rank")
            ?? root.Int("data_parallel_rank"));

    protected static string? Salt(JsonElement root) =>
        root.Text("cache_salt") is var salt && root.Text("extra_key") is var extra && (salt ?? extra) is not null ? salt + extra
            : null;

    protected string RidOf(JsonElement root, int index, int count) => root.Member("rid") switch
    {
        null => Intake.NewRid(),
        { ValueKind: JsonValueKind.Array } list => list[index].GetString()!,
        { } one when count == 1 => one.GetString()!,
        { } prefix => $"{prefix.GetString()}_{index}",
    };

    private static int? HeaderRank(HttpContext context)
    {
        var header = context.Request.Headers["X-Data-Parallel-Rank"].ToString();
        return header.Length == 0 ? null
            : int.TryParse(header, out var rank) ? rank
            : throw new ApiError(400, $"Invalid X-Data-Parallel-Rank header: must be an integer, got '{header}'", "400");
    }

    private async Task WholeAsync(HttpContext context, OpenAiRequest call)
    {
        var answers = new List<Answer>();
        foreach (var request in call.Requests)
        {
            var answer = await new Answer(request, 0).CompleteAsync(context.RequestAborted);
            if (answer.Finish is { Type: "abort", Status: { } status } abort)
            {
                await context.JsonAsync(status, json =>
                    ApiError.WriteFlat(json, abort.Message!, status == 400 ? "BadRequestError" : $"{status}", status));
                return;
            }
            answers.Add(answer);
        }
        if (engine.Faults.TryTake(FaultKind.ResetMidStream, null, call.Requests[0].Rid) is not null)
        {
            EventStream.Reset(context);
            return;
        }
        await context.JsonAsync(200, json =>
        {
            WriteHead(json, call, call.Requests[0].Rid, ObjectName);
            json.WriteStartArray("choices");
            for (var i = 0; i < answers.Count; i++)
                WriteChoice(json, call, answers[i], i);
            json.WriteEndArray();
            WriteUsage(json, call.PromptTokens, answers.Sum(answer => answer.Tokens.Count), call.CachedTokens);
            json.WriteStartObject("metadata");
            json.WriteString("weight_version", engine.WeightVersion);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task StreamAsync(HttpContext context, OpenAiRequest call, EventStream events)
    {
        var completion = 0;
        for (var i = 0; i < call.Requests.Count; i++)
        {
            var request = call.Requests[i];
            var answer = new Answer(request, 0);
            while (await request.Output.WaitToReadAsync(context.RequestAborted))
            {
                while (request.Output.TryRead(out var step))
                {
                    answer.Add(step);
                    var written = step.Finish is { Type: "abort", Status: { } status } abort
                        ? await events.WriteAsync(json => WriteStreamAbort(json, abort, status))
                        : await WriteStepAsync(events, call, answer, step, i);
                    if (!written)
                        return;
                }
                await events.FlushAsync();
            }
            completion += answer.Tokens.Count;
        }
        if (call.IncludeUsage)
        {
            await events.WriteAsync(json =>
            {
                WriteHead(json, call, call.Requests[0].Rid, ObjectName == "chat.completion" ? "chat.completion.chunk"
                    : ObjectName);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                WriteUsage(json, call.PromptTokens, completion, call.CachedTokens);
                json.WriteEndObject();
            });
        }
        await events.DoneAsync();
    }

    private static void WriteStreamAbort(Utf8JsonWriter json, Finish abort, int status)
    {
        json.WriteStartObject();
        json.WritePropertyName("error");
        ApiError.WriteFlat(json, abort.Message!, ApiError.StatusName(status), status);
        json.WriteEndObject();
    }
}

/// <summary>A parsed OpenAI call and the requests it became; prompt-major, <paramref name="Samples"/> for each prompt.</summary>
internal sealed record OpenAiRequest(IReadOnlyList<SimRequest> Requests, bool Stream, string Model, long Created, int Samples)
{
    public bool IncludeUsage { get; init; }
    public bool ContinuousUsage { get; init; }

    /// <summary>Function the answer must call.</summary>
    public string? ForcedTool { get; init; }

    /// <summary>Prompt shown before a completion's answer.</summary>
    public IReadOnlyList<string> Echo { get; init; } = [];

    public int PromptTokens => Requests.Where((_, i) => i % Samples == 0).Sum(request => request.Tokens.Length);
    public int CachedTokens => Requests.Where((_, i) => i % Samples == 0).Sum(request => request.CachedTokens);
}
