namespace OrleansPd.Simulator.Http;

/// <summary><c>/generate</c>: single or batch, streaming or not.</summary>
internal sealed class GenerateCall(EngineProcess engine, RequestIntake intake)
{
    public async Task AnswerAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        if (engine.Options.IsEmbedding)
            throw new ApiError(400, "This model does not support generation.");
        var root = body.RootElement;
        var stream = root.Flag("stream");
        IReadOnlyList<SimRequest> requests;
        bool array;
        try
        {
            (requests, array) = Build(root);
            if (await EngineApi.ApplyFaultsAsync(context, engine, requests[0].Rid))
                return;
            using var left = intake.WatchClient(context, requests, () => stream);
            await intake.SubmitAsync(requests, context.RequestAborted);
            await (stream ? StreamAsync(context, requests, array) : WholeAsync(context, requests, array));
        }
        catch (ApiError error) when (stream && error.Status == 400 && error.Type == "BadRequestError")
        {
            var events = new EventStream(context, engine.Faults, "");
            await events.WriteAsync(json => WriteStreamError(json, error.Message));
            await events.DoneAsync();
        }
    }

    private (IReadOnlyList<SimRequest> Requests, bool Array) Build(JsonElement root)
    {
        TrainerCalls.CheckAdapter(engine, root);
        var text = root.Member("text");
        var ids = root.Member("input_ids");
        if (text is null && ids is null)
            throw new ApiError(400, "Either text, input_ids or input_embeds should be provided.");
        var batch = text is { } given ? given.ValueKind == JsonValueKind.Array : ids!.Value.IsListOfLists();
        var prompts = (text ?? ids!.Value, batch) switch
        {
            (var list, true) => list.EnumerateArray().Select(Tokens).ToList(),
            (var one, false) => [Tokens(one)],
        };
        if (prompts.Count == 0)
            throw new ApiError(400, "text cannot be empty.");
        var rids = Rids(root.Member("rid"), batch, prompts.Count);
        var parameters = root.Member("sampling_params");
        var requests = new List<SimRequest>();
        var samples = 1;
        for (var i = 0; i < prompts.Count; i++)
        {
            var own = parameters is { ValueKind: JsonValueKind.Array } list ? list[i] : parameters;
            var (sampling, n, rejection) = SamplingReader.Native(own);
            samples = n;
            var pd = PdReader.Read(root, batch, i, engine.Options.Role);
            var expand = engine.Options.Role == EngineRole.Regular ? n : 1;
            for (var sample = 0; sample < expand; sample++)
            {
                requests.Add(intake.Build(
                    expand == 1 ? rids[i] : $"{rids[i]}_{intake.NewRid()}", prompts[i],
                    sampling with { Seed = sampling.Seed + sample }, pd, Logprobs(root, i), Salt(root, i), n, rejection));
            }
        }
        return (requests, batch || samples > 1);
    }

    private async Task WholeAsync(HttpContext context, IReadOnlyList<SimRequest> requests, bool array)
    {
        var started = engine.Clock.GetTimestamp();
        var answers = new List<Answer>();
        foreach (var request in requests)
        {
            var answer = await new Answer(request, started).CompleteAsync(context.RequestAborted);
            if (answer.Finish is { Type: "abort", Status: { } status } abort)
            {
                CancelRest(requests);
                await context.JsonAsync(status, json =>
                {
                    if (status == 400)
                        ApiError.WriteNative(json, abort.Message!);
                    else
                        ApiError.WriteFlat(json, abort.Message!, $"{status}", status);
                });
                return;
            }
            answers.Add(answer);
        }
        if (engine.Faults.TryTake(FaultKind.ResetMidStream, null, requests[0].Rid) is not null)
        {
            EventStream.Reset(context);
            return;
        }
        await context.JsonAsync(200, json =>
        {
            if (array)
                json.WriteStartArray();
            foreach (var answer in answers)
                GenerateShape.Write(json, engine, answer, null, 0, "");
            if (array)
                json.WriteEndArray();
        });
    }

    private async Task StreamAsync(HttpContext context, IReadOnlyList<SimRequest> requests, bool array)
    {
        var events = new EventStream(context, engine.Faults, requests[0].Rid);
        await events.StartAsync();
        var started = engine.Clock.GetTimestamp();
        using var writing = new SemaphoreSlim(1, 1);
        await Task.WhenAll(requests.Select((request, i) => PumpAsync(request, array ? i : null)));
        await events.DoneAsync();

        async Task PumpAsync(SimRequest request, int? index)
        {
            var answer = new Answer(request, started);
            while (await request.Output.WaitToReadAsync(context.RequestAborted))
            {
                await writing.WaitAsync(context.RequestAborted);
                try
                {
                    while (request.Output.TryRead(out var step))
                    {
                        answer.Add(step);
                        if (!await events.WriteAsync(json =>
                            GenerateShape.Write(json, engine, answer, index, step.Token is null ? 0 : 1, step.Text)))
                        {
                            return;
                        }
                    }
                    await events.FlushAsync();
                }
                finally
                {
                    writing.Release();
                }
            }
        }
    }

    private void CancelRest(IReadOnlyList<SimRequest> requests)
    {
        // Older releases let the other items run on unseen.
        if (engine.Profile.August)
        {
            foreach (var request in requests)
                request.Cancel(SimRequest.AbortedByRequest);
        }
    }

    private static int[] Tokens(JsonElement prompt) => prompt.ValueKind switch
    {
        JsonValueKind.String => Tokenizer.Tokens(prompt.GetString()!),
        JsonValueKind.Array => prompt.Ints(),
        _ => throw JsonMembers.Wrong("text", "a valid string"),
    };

    private IReadOnlyList<string> Rids(JsonElement? rid, bool batch, int count)
    {
        switch (rid)
        {
            case null:
                return [.. Enumerable.Range(0, count).Select(_ => intake.NewRid())];
            case { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() == count:
                return [.. list.EnumerateArray().Select(item => item.GetString()!)];
            case { ValueKind: JsonValueKind.String } one when !batch || (count == 1 && engine.Profile.August):
                return [one.GetString()!];
            case { ValueKind: JsonValueKind.String } prefix:
                return [.. Enumerable.Range(0, count).Select(i => $"{prefix.GetString()}_{i}")];
            default:
                throw new ApiError(400, "The rids length mismatch with the batch_size.");
        }
    }

    private static LogprobSpec Logprobs(JsonElement root, int index)
    {
        if (Item(root.Member("return_logprob"), index) is not { ValueKind: JsonValueKind.True })
            return LogprobSpec.None;
        var ids = root.Member("token_ids_logprob");
        return new LogprobSpec(
            true, Item(root.Member("logprob_start_len"), index)?.GetInt32() ?? -1,
            Item(root.Member("top_logprobs_num"), index)?.GetInt32() ?? 0,
            ids is not { } given ? [] : given.IsListOfLists() ? given[index].Ints() : given.Ints(),
            root.Flag("return_text_in_logprobs"));
    }

    private static string? Salt(JsonElement root, int index) => Item(root.Member("extra_key"), index)?.GetString();

    private static JsonElement? Item(JsonElement? value, int index) =>
        value is { ValueKind: JsonValueKind.Array } list ? list[index] : value;

    private static void WriteStreamError(Utf8JsonWriter json, string message)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", message);
        json.WriteString("type", "invalid_request_error");
        json.WriteNumber("code", 400);
        json.WriteBoolean("retryable", false);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
