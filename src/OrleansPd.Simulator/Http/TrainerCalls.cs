namespace OrleansPd.Simulator.Http;

/// <summary>
/// Control calls that do not change generation in the simulator: each is recorded, checked for its required members and answered
/// with success.
/// </summary>
internal sealed class TrainerCalls(EngineProcess engine)
{
    /// <summary>Answers with success if the members that the real call requires are there.</summary>
    public Func<HttpContext, Task> Agree(params string[] wanted) => async context =>
    {
        if (context.Request.Method != "GET")
        {
            using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
            if (wanted.FirstOrDefault(name => body.RootElement.Member(name) is null) is { } missing)
                throw JsonMembers.Wrong(missing, "given");
        }
        await SaidAsync(context, true, "Done.");
    };

    public async Task LoadAdapterAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var name = body.RootElement.Text("lora_name") ?? throw JsonMembers.Wrong("lora_name", "a valid string");
        var path = body.RootElement.Text("lora_path") ?? throw JsonMembers.Wrong("lora_path", "a valid string");
        var added = engine.Adapters.TryAdd(name, path);
        await SaidAsync(context, added, added ? "" : $"LoRA adapter '{name}' is loaded already.");
    }

    public async Task UnloadAdapterAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var name = body.RootElement.Text("lora_name") ?? throw JsonMembers.Wrong("lora_name", "a valid string");
        var gone = engine.Adapters.TryRemove(name, out _);
        await SaidAsync(context, gone, gone ? "" : $"LoRA adapter '{name}' is not loaded.");
    }

    /// <summary>
    /// Refuses an adapter that is not loaded, whether it is named by <c>lora_path</c> or as <c>base:adapter</c>.
    /// </summary>
    public static void CheckAdapter(EngineProcess engine, JsonElement body)
    {
        var model = body.Text("model") ?? "";
        var colon = model.IndexOf(':', StringComparison.Ordinal);
        if ((colon > 0 ? model[(colon + 1)..] : body.Member("lora_path") is { ValueKind: JsonValueKind.String } path
            ? path.GetString() : null) is { } name
            && !engine.Adapters.ContainsKey(name))
        {
            throw new ApiError(400, $"Got LoRA adapter that has never been loaded: {name}");
        }
    }

    private Task SaidAsync(HttpContext context, bool success, string message)
    {
        engine.Stats.AddControlCall(context.Request.Path.Value ?? "");
        return context.JsonAsync(success ? 200 : 400, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", success);
            json.WriteString("message", message);
            json.WriteEndObject();
        });
    }
}
