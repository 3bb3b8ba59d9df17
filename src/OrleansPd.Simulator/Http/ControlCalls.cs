namespace OrleansPd.Simulator.Http;

/// <summary>Abort, pause, flush and the rest of what an operator calls.</summary>
internal sealed class ControlCalls(EngineProcess engine)
{
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(10);

    /// <summary>As in SGLang: the exact rid must be live; then every request whose rid begins with it is aborted.</summary>
    public async Task AbortAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        if (engine.Faults.TryTake(FaultKind.AbortHang, null, null) is not null)
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        var rid = body.RootElement.Text("rid") ?? "";
        if (body.RootElement.Flag("abort_all"))
            engine.Live.Abort("");
        else if (rid.Length > 0 && engine.Live.Contains(rid))
            engine.Live.Abort(rid);
        await context.TextAsync(200, "");
    }

    public async Task FlushAsync(HttpContext context)
    {
        var wait = double.TryParse(context.Request.Query["timeout"], out var seconds) ? seconds : 0;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Clamp(wait, 0, 3600)), engine.Clock);
        while (engine.Stats.LiveRequests > 0)
        {
            if (wait <= 0 || limit.IsCancellationRequested)
            {
                await context.TextAsync(400, wait <= 0
                    ? "Flush cache failed. The engine is not idle.\n" : "Timed out waiting for idle state.");
                return;
            }
            await Task.Delay(IdlePoll, engine.Clock, context.RequestAborted);
        }
        foreach (var rank in engine.Ranks)
            rank.Flush();
        await context.TextAsync(
            200, "Cache flushed.\nPlease check backend logs for more details. "
                + "(When there are running or waiting requests, the operation will not be performed.)\n");
    }

    public async Task PauseAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var mode = body.RootElement.Text("mode") ?? "abort";
        engine.Pause.Close();
        switch (mode)
        {
            case "abort":
                while (engine.Stats.LiveRequests > 0)
                {
                    engine.Live.Abort("");
                    engine.WakeAll();
                    await Task.Delay(IdlePoll, engine.Clock, context.RequestAborted);
                }
                break;
            case "retract":
                foreach (var rank in engine.Ranks)
                    rank.Retract();
                break;
            case "in_place":
                break;
            default:
                engine.Pause.Open();
                throw JsonMembers.Wrong("mode", "'abort', 'retract' or 'in_place'");
        }
        await OkAsync(context, "Generation paused successfully.");
    }

    public Task ContinueAsync(HttpContext context)
    {
        engine.Pause.Open();
        engine.WakeAll();
        return OkAsync(context, "Generation continued successfully.");
    }

    public async Task UpdateWeightsAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var path = body.RootElement.Text("model_path") ?? throw JsonMembers.Wrong("model_path", "a valid string");
        if (body.RootElement.Flag("abort_all_requests"))
            engine.Live.Abort("");
        engine.ModelName = path;
        engine.WeightVersion = body.RootElement.Text("weight_version") ?? engine.WeightVersion;
        foreach (var rank in engine.Ranks)
            rank.Flush();
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", true);
            json.WriteString("message", "Succeeded to update model weights.");
            json.WriteNumber("num_paused_requests", 0);
            json.WriteEndObject();
        });
    }

    /// <summary>Switches the role of an idle engine, where enabled. A new epoch begins with the original role.</summary>
    public async Task SwitchRoleAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: false);
        var role = body.RootElement.Text("new_role");
        var busy = engine.Stats.LiveRequests > 0;
        if (!busy && engine.Options.EnableRoleSwitch && role is "prefill" or "decode"
            && engine.Options.Role != EngineRole.Regular)
        {
            await engine.SwitchRoleAsync(role == "prefill" ? EngineRole.Prefill : EngineRole.Decode);
        }
        var same = role == engine.Options.Mode;
        await context.JsonAsync(!busy && same ? 200 : 400, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", !busy && same);
            json.WriteString("message", busy ? "The scheduler is not idle." : same ? "Role unchanged."
                : "Role switch is not supported.");
            json.WriteEndObject();
        });
    }

    private static Task OkAsync(HttpContext context, string message) => context.JsonAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteString("message", message);
        json.WriteString("status", "ok");
        json.WriteEndObject();
    });
}
