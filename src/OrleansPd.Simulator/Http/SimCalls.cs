namespace OrleansPd.Simulator.Http;

/// <summary>What no real engine has: faults to set and figures to read. Never asks for a key.</summary>
internal sealed class SimCalls(EngineProcess engine)
{
    public async Task AnswerAsync(HttpContext context, string path)
    {
        switch (path, context.Request.Method)
        {
            case ("/sim/faults", "GET"):
                await context.JsonAsync(200, WriteFaults);
                break;
            case ("/sim/faults", "POST"):
                await AddAsync(context);
                break;
            case ("/sim/faults", "DELETE"):
                engine.Faults.Clear();
                await context.TextAsync(200, "");
                break;
            case (_, "DELETE") when path.StartsWith("/sim/faults/", StringComparison.Ordinal):
                var known = int.TryParse(path["/sim/faults/".Length..], CultureInfo.InvariantCulture, out var id)
                    && engine.Faults.Remove(id);
                await context.TextAsync(known ? 200 : 404, "");
                break;
            case ("/sim/stats", "GET"):
                await context.JsonAsync(200, WriteStats);
                break;
            default:
                await context.TextAsync(404, "{\"detail\":\"Not Found\"}", "application/json");
                break;
        }
    }

    private async Task AddAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var fault = FaultJson.Read(body.RootElement);
        var id = engine.Faults.Add(fault);
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteEndObject();
        });
    }

    private void WriteFaults(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("faults");
        foreach (var active in engine.Faults.Active)
            FaultJson.Write(json, active);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteStats(Utf8JsonWriter json)
    {
        var stats = engine.Stats;
        json.WriteStartObject();
        json.WriteString("role", WireName.Of(engine.Options.Role));
        json.WriteNumber("epoch", engine.Epoch);
        json.WriteNumber("live_requests", stats.LiveRequests);
        json.WriteNumber("requests_total", stats.RequestsTotal);
        json.WriteNumber("completed_total", stats.CompletedTotal);
        json.WriteNumber("aborted_total", stats.AbortedTotal);
        json.WriteNumber("failed_total", stats.FailedTotal);
        json.WriteNumber("prompt_tokens", stats.PromptTokens);
        json.WriteNumber("cache_hit_tokens", stats.CacheHitTokens);
        json.WriteNumber("duplicate_rooms", stats.DuplicateRooms);
        json.WriteNumber("router_error_count", stats.RouterErrorCount);
        json.WriteStartArray("router_errors");
        foreach (var error in stats.RouterErrors)
            json.WriteStringValue(error);
        json.WriteEndArray();
        json.WriteNumber("window", engine.Options.Window);
        json.WriteNumber("slots", engine.Options.Slots);
        json.WriteStartArray("ranks");
        foreach (var rank in stats.Ranks)
        {
            json.WriteStartObject();
            json.WriteNumber("running", rank.Running);
            json.WriteNumber("waiting", rank.Waiting);
            json.WriteNumber("bootstrap_queue", rank.BootstrapQueue);
            json.WriteNumber("inflight_queue", rank.InflightQueue);
            json.WriteNumber("prealloc_queue", rank.PreallocQueue);
            json.WriteNumber("transfer_queue", rank.TransferQueue);
            json.WriteNumber("occupied", rank.Occupied);
            json.WriteNumber("max_running_seen", rank.MaxRunningSeen);
            json.WriteNumber("max_occupied_seen", rank.MaxOccupiedSeen);
            json.WriteNumber("live_kv_tokens", rank.LiveKvTokens);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
