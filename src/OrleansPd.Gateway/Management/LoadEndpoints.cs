using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// The load that engines report: <c>/v1/loads</c> in the shape of one engine, with all ranks of all engines; <c>/get_loads</c> in
/// the shape of the SGLang gateway, one number for each engine; <c>/get_load</c>, the engines' older form.
/// </summary>
internal sealed class LoadEndpoints(EngineBroadcast engines, TimeProvider clock) : IEndpoints
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/loads", LoadsAsync);
        routes.MapGet("/get_loads", NumbersAsync);
        routes.MapGet("/get_load", LegacyAsync);
    }

    private async Task LoadsAsync(HttpContext context)
    {
        if (context.Request.Query["format"].ToString() is not ("" or "json"))
        {
            await ManagementJson.BadRequestAsync(
                context, "Only format=json is served here; /engine_metrics has Prometheus text.");
            return;
        }
        if (await QueryAsync(context, "/v1/loads", ControlEndpoints.QueryOf(context.Request.Query)) is not { } replies)
            return;
        await ManagementJson.WriteAsync(context, BroadcastSummary.StatusOf(replies), new JsonObject
        {
            ["timestamp"] = clock.GetUtcNow().ToString("O", CultureInfo.InvariantCulture),
            ["version"] = replies.Select(s => (s.Body as JsonObject)?["version"]).FirstOrDefault(v => v is not null)?.DeepClone(),
            ["loads"] = Ranks(replies),
            ["failed"] = Failed(replies),
        });
    }

    private async Task NumbersAsync(HttpContext context)
    {
        if (await QueryAsync(context, "/v1/loads", new QueryString("?include=core")) is not { } replies)
            return;
        await ManagementJson.WriteAsync(context, BroadcastSummary.StatusOf(replies), new JsonObject
        {
            ["workers"] = new JsonArray([.. replies.Select(s => (JsonNode)new JsonObject
            {
                ["worker"] = s.Url,
                ["worker_type"] = WireName.Of(s.Worker.Role),
                // -1 where it is unknown, as in the SGLang gateway.
                ["load"] = s.IsGood ? RanksOf(s).Sum(r => (long?)r["num_total_tokens"] ?? 0) : -1,
                ["requests"] = s.IsGood
                    ? RanksOf(s).Sum(r => ((long?)r["num_running_reqs"] ?? 0) + ((long?)r["num_waiting_reqs"] ?? 0)) : -1,
                ["error"] = s.Problem,
            })]),
        });
    }

    private async Task LegacyAsync(HttpContext context)
    {
        if (await QueryAsync(context, "/get_load", default) is not { } replies)
            return;
        var ranks = replies.Where(s => s.IsGood)
            .SelectMany(s => (s.Body as JsonArray ?? []).OfType<JsonObject>().Select(r => Named(s, r)));
        await ManagementJson.WriteAsync(context, BroadcastSummary.StatusOf(replies), new JsonArray([.. ranks]));
    }

    /// <returns>Null when the call was refused.</returns>
    private async Task<BroadcastReply[]?> QueryAsync(HttpContext context, string path, QueryString query)
    {
        var workers = engines.Select(context.Request.Query, out var problem);
        if (problem is not null)
        {
            await ManagementJson.BadRequestAsync(context, problem);
            return null;
        }
        return await engines.CallAsync(workers, "GET", path + query, default, Timeout, context.RequestAborted);
    }

    private static IEnumerable<JsonObject> RanksOf(BroadcastReply reply) =>
        ((reply.Body as JsonObject)?["loads"] as JsonArray ?? []).OfType<JsonObject>();

    private static JsonArray Ranks(IEnumerable<BroadcastReply> replies) =>
        new([.. replies.Where(s => s.IsGood).SelectMany(s => RanksOf(s).Select(r => Named(s, r)))]);

    private static JsonObject Named(BroadcastReply reply, JsonObject rank)
    {
        var copy = (JsonObject)rank.DeepClone();
        copy["worker"] = reply.Url;
        copy["worker_type"] = WireName.Of(reply.Worker.Role);
        return copy;
    }

    private static JsonArray Failed(IEnumerable<BroadcastReply> replies) =>
        new([.. replies.Where(s => !s.IsGood).Select(s => (JsonNode)new JsonArray(s.Url, s.Problem))]);
}
