using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core.Admin;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// SGLang's control calls, each to every engine of both pools (protocol §1.7): what trainers do between steps, and what operators
/// do by hand. All of them change something, so all of them ask for the admin key.
/// </summary>
internal sealed class ControlRoutes(
    EngineBroadcast engines, RequestDispatcher dispatcher, AdapterWatch adapters, IFleetAdmin? admin, GatewayOptions options)
{
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Calls that an engine answers when it is done with what may take minutes: they get a request's whole time.
    /// </summary>
    private TimeSpan Long => TimeSpan.FromSeconds(options.RequestTimeoutSecs);

    private IEnumerable<Control> Controls =>
    [
        new("/abort_request", "POST", Quick, "were told") { Aborts = true },
        new("/flush_cache", "GET POST", Quick, "have flushed their caches") { Flushes = true },
        new("/pause_generation", "POST", Long, "are paused"),
        new("/continue_generation", "POST", Long, "go on"),
        new("/update_weights_from_disk", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_distributed", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_tensor", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weights_from_ipc", "POST", Long, "have the new weights") { Flushes = true },
        new("/update_weight_version", "POST", Quick, "have the new version"),
        new("/init_weights_update_group", "POST", Long, "have joined") { OneByOne = true },
        new("/destroy_weights_update_group", "POST", Long, "have left"),
        new("/release_memory_occupation", "GET POST", Long, "have released their memory") { Flushes = true },
        new("/resume_memory_occupation", "GET POST", Long, "have their memory again"),
        new("/load_lora_adapter", "POST", Long, "have the adapter") { Adapter = AdapterChange.Loaded },
        new("/load_lora_adapter_from_tensors", "POST", Long, "have the adapter") { Adapter = AdapterChange.Loaded },
        new("/unload_lora_adapter", "POST", Long, "are without the adapter") { Adapter = AdapterChange.Unloaded },
        new("/start_profile", "GET POST", Long, "are profiling"),
        new("/stop_profile", "GET POST", Long, "have stopped profiling"),
        new("/slow_down", "GET POST", Quick, "were told"),
        new("/set_internal_state", "POST PUT", Quick, "have the new state"),
        new("/set_trace_level", "GET POST", Quick, "have the new level"),
    ];

    public void Map(IEndpointRouteBuilder routes, AdminAuthentication gate)
    {
        foreach (var control in Controls)
        {
            routes.MapMethods(control.Path, control.Methods.Split(' '), gate.Guard(context => RunAsync(context, control)));
        }
    }

    private async Task RunAsync(HttpContext context, Control control)
    {
        var workers = engines.Select(context.Request.Query, out var problem);
        if (problem is null && control.OneByOne && workers.Length > 1)
        {
            problem = "Each engine joins the group with a rank_offset of its own: name one engine with ?worker=<id or address>, once for each.";
        }
        var wait = TimeSpan.Zero;
        if (problem is null && context.Request.Query["timeout"].ToString() is { Length: > 0 } given
            && !TryReadWait(given, out wait))
        {
            problem = "'timeout' must be seconds, 0 to 3600.";
        }
        if (problem is not null)
        {
            await ManagementJson.RefuseAsync(context, 400, "BAD_REQUEST", problem);
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, options.MaxPayloadSize, context.RequestAborted);
        if (body is null)
        {
            await ManagementJson.RefuseAsync(context, 413, "PAYLOAD_TOO_LARGE", "The body is larger than --max-payload-size.");
            return;
        }
        // Engines parse the body of a POST whatever it is; an empty one stands for no wishes.
        var sent = body.Memory.Length > 0 ? body.Memory : context.Request.Method == "GET" ? default : "{}"u8.ToArray();
        // An engine that is named is meant as an engine: what it knows by that id, and nothing else.
        var toAll = !context.Request.Query.Any(q => q.Key is "role" or "worker");
        var aborts = control.Aborts && toAll ? AbortAsync(sent) : Task.CompletedTask;
        var said = await engines.CallAsync(
            workers, context.Request.Method, control.Path + QueryOf(context.Request.Query), sent, control.Patience
                + wait, context.RequestAborted);
        await aborts;
        if (control.Adapter is { } change)
        {
            var done = said.Where(s => s.IsGood).Select(s => s.Worker.Id);
            var name = TextIn(sent, "lora_name");
            await adapters.ChangedAsync([.. done], name, change, context.RequestAborted);
        }
        if (control.Flushes && admin is not null)
        {
            foreach (var done in said.Where(s => s.IsGood))
            {
                await admin.CachesFlushedAsync(done.Worker.Id, context.RequestAborted);
            }
        }
        await ManagementJson.WriteAsync(context, BroadcastAnswer.StatusOf(said), BroadcastAnswer.Of(said, control.Did));
    }

    /// <summary>Aborts what the client's id stands for and the engines know by other ids (protocol §2.6, §2.7).</summary>
    private Task AbortAsync(ReadOnlyMemory<byte> body)
    {
        if (MemberIn(body, "abort_all") is { ValueKind: JsonValueKind.True })
        {
            return dispatcher.AbortAllAsync();
        }
        return TextIn(body, "rid") is { Length: > 0 } rid ? dispatcher.AbortAsync(rid) : Task.CompletedTask;
    }

    private static string? TextIn(ReadOnlyMemory<byte> body, string name) =>
        MemberIn(body, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <summary>A member of a body that engines judge: one that cannot be read is theirs to refuse.</summary>
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

    /// <param name="Methods">By spaces; passed on as they come.</param>
    /// <param name="Did">Ends the sentence "3 of 4 workers ...".</param>
    private sealed record Control(string Path, string Methods, TimeSpan Patience, string Did)
    {
        /// <summary>The engines' caches are empty afterwards.</summary>
        public bool Flushes { get; init; }

        /// <summary>Ends requests by their id.</summary>
        public bool Aborts { get; init; }

        /// <summary>What happens to the engines' adapters; null = nothing.</summary>
        public AdapterChange? Adapter { get; init; }

        /// <summary>Makes no sense with one body for several engines.</summary>
        public bool OneByOne { get; init; }
    }
}
