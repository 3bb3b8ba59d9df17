namespace OrleansPd.Gateway.Management;

/// <summary>
/// SGLang's control calls, each sent to every engine. Trainers call them between steps, operators by hand. All of
/// them change something, so all of them need the admin key.
/// </summary>
internal sealed class ControlEndpoints(
    EngineBroadcast engines, RequestDispatcher dispatcher, AdapterWatch adapters, AdminAuthentication gate,
    GatewayOptions options,
    IFleetAdmin? admin = null)
    : IEndpoints
{
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(10);

    /// <summary>For calls that may take minutes until the engine answers: as long as a request may take.</summary>
    private TimeSpan Long => TimeSpan.FromSeconds(options.RequestTimeoutSecs);

    private IEnumerable<Control> Controls =>
    [
        new("/abort_request", "POST", Quick, "have the abort") { Aborts = true },
        new("/flush_cache", "GET POST", Quick, "have flushed their caches") { Flushes = true },
        new("/pause_generation", "POST", Long, "are paused"),
        new("/continue_generation", "POST", Long, "have continued"),
        new("/update_weights_from_disk", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_distributed", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_tensor", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_ipc", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weight_version", "POST", Quick, "have the new version"),
        new("/init_weights_update_group", "POST", Long, "have joined") { OneByOne = true },
        new("/destroy_weights_update_group", "POST", Long, "have left"),
        new("/release_memory_occupation", "GET POST", Long, "have released their memory") { Flushes = true },
        new("/resume_memory_occupation", "GET POST", Long, "have resumed their memory"),
        new("/load_lora_adapter", "POST", Long, "have loaded the adapter") { Adapter = AdapterChange.Loaded },
        new("/load_lora_adapter_from_tensors", "POST", Long, "have loaded the adapter") { Adapter = AdapterChange.Loaded },
        new("/unload_lora_adapter", "POST", Long, "have unloaded the adapter") { Adapter = AdapterChange.Unloaded },
        new("/start_profile", "GET POST", Long, "are profiling"),
        new("/stop_profile", "GET POST", Long, "have stopped profiling"),
        new("/slow_down", "GET POST", Quick, "have slowed down"),
        new("/set_internal_state", "POST PUT", Quick, "have the new state"),
        new("/set_trace_level", "GET POST", Quick, "have the new level"),
    ];

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var control in Controls)
            routes.MapMethods(control.Path, control.Methods.Split(' '), gate.Guard(context => RunAsync(context, control)));
    }

    private async Task RunAsync(HttpContext context, Control control)
    {
        var query = context.Request.Query;
        var workers = engines.Select(query, out var problem);
        if (problem is null && control.OneByOne && workers.Length > 1)
        {
            problem = "Each engine joins the group with its own rank_offset: call this once for each engine, "
                + "with ?worker=<id or address>.";
        }
        var wait = TimeSpan.Zero;
        if (problem is null && query["timeout"].ToString() is { Length: > 0 } given && !TryReadWait(given, out wait))
            problem = "'timeout' must be seconds, 0 to 3600.";
        if (problem is not null)
        {
            await ManagementJson.BadRequestAsync(context, problem);
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, options.MaxPayloadSize, context.RequestAborted);
        if (body is null)
        {
            await ManagementJson.RefuseAsync(context, 413, "PAYLOAD_TOO_LARGE", "The body is larger than --max-payload-size.");
            return;
        }
        // Engines parse the body of every POST; {} sets no member.
        var sent = body.Memory.Length > 0 ? body.Memory : context.Request.Method == "GET" ? default : "{}"u8.ToArray();
        // A call that names engines is about the ids that those engines know, so only a call to all aborts by the client's id.
        var toAll = !query.Any(q => q.Key is "role" or "worker");
        var aborts = control.Aborts && toAll ? AbortAsync(sent) : Task.CompletedTask;
        var replies = await engines.CallAsync(
            workers, context.Request.Method, control.Path + QueryOf(query), sent, control.Timeout + wait, context.RequestAborted);
        await aborts;
        await AfterAsync(control, replies, sent, context.RequestAborted);
        await ManagementJson.WriteAsync(context, BroadcastSummary.StatusOf(replies), BroadcastSummary.Of(replies, control.Did));
    }

    /// <summary>Reports to the control plane what the call has changed on the engines.</summary>
    private async Task AfterAsync(
        Control control, BroadcastReply[] replies, ReadOnlyMemory<byte> sent, CancellationToken cancellationToken)
    {
        if (control.Adapter is { } change)
        {
            var changed = replies.Where(r => r.IsGood).Select(r => r.Worker.Id);
            await adapters.ChangedAsync([.. changed], TextIn(sent, "lora_name"), change, cancellationToken);
        }
        if (control.Flushes && admin is not null)
        {
            foreach (var flushed in replies.Where(r => r.IsGood))
                await admin.CachesFlushedAsync(flushed.Worker.Id, cancellationToken);
        }
    }

    /// <summary>Aborts requests with the client's id that engines know by other ids.</summary>
    private Task AbortAsync(ReadOnlyMemory<byte> body)
    {
        if (MemberIn(body, "abort_all") is { ValueKind: JsonValueKind.True })
            return dispatcher.AbortAllAsync();
        return TextIn(body, "rid") is { Length: > 0 } rid ? dispatcher.AbortAsync(rid) : Task.CompletedTask;
    }

    private static string? TextIn(ReadOnlyMemory<byte> body, string name) =>
        MemberIn(body, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <summary>A member of the body; null where it cannot be read: the engines will refuse the body.</summary>
    private static JsonElement? MemberIn(ReadOnlyMemory<byte> body, string name)
    {
        try
        {
            using var parsed = JsonDocument.Parse(body);
            return parsed.RootElement.ValueKind == JsonValueKind.Object && parsed.RootElement.TryGetProperty(name, out var member)
                ? member.Clone()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool TryReadWait(string given, out TimeSpan wait)
    {
        var good = double.TryParse(given, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
            && seconds is >= 0 and <= 3600;
        wait = good ? TimeSpan.FromSeconds(seconds) : default;
        return good;
    }

    /// <summary>The caller's query without the members that choose workers, encoded anew.</summary>
    internal static QueryString QueryOf(IQueryCollection query) => QueryString.Create(
        query.Where(q => q.Key is not ("role" or "worker"))
            .SelectMany(q => q.Value, (q, value) => KeyValuePair.Create(q.Key, value)));

    /// <param name="Methods">Separated by spaces; the engines get the method that the caller used.</param>
    /// <param name="Did">Ends the sentence "3 of 4 workers ...".</param>
    private sealed record Control(string Path, string Methods, TimeSpan Timeout, string Did)
    {
        /// <summary>The engines' caches are empty afterwards.</summary>
        public bool Flushes { get; init; }

        /// <summary>Aborts requests by their id.</summary>
        public bool Aborts { get; init; }

        /// <summary>What happens to the engines' adapters; null = nothing.</summary>
        public AdapterChange? Adapter { get; init; }

        /// <summary>Each engine needs a body of its own, so the call must name one engine.</summary>
        public bool OneByOne { get; init; }
    }
}
