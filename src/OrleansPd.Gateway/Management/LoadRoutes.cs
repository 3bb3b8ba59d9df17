using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core.Workers;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// How loaded the engines are, by their own figures: <c>/v1/loads</c> as one engine would say it, with all ranks of all engines;
/// <c>/get_loads</c> as the SGLang gateway says it, one number an engine; <c>/get_load</c>, the engines' older form.
/// </summary>
internal sealed class LoadRoutes(EngineBroadcast engines, TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/loads", LoadsAsync);
        routes.MapGet("/get_loads", NumbersAsync);
        routes.MapGet("/get_load", OldAsync);
    }

    private async Task LoadsAsync(HttpContext context)
    {
        if (context.Request.Query["format"].ToString() is not ("" or "json"))
        {
            await ManagementJson.RefuseAsync(
                context, 400, "BAD_REQUEST", "Only format=json is served here; /engine_metrics has Prometheus text.");
            return;
        }
        if (await AskAsync(context, "/v1/loads", ControlRoutes.QueryOf(context.Request.Query)) is not { } said)
        {
            return;
        }
        await ManagementJson.WriteAsync(context, BroadcastAnswer.StatusOf(said), new JsonObject
        {
            ["timestamp"] = clock.GetUtcNow().ToString("O", CultureInfo.InvariantCulture),
            ["version"] = said.Select(s => (s.Body as JsonObject)?["version"]).FirstOrDefault(v => v is not null)?.DeepClone(),
            ["loads"] = Ranks(said),
            ["failed"] = Failed(said),
        });
    }

    private async Task NumbersAsync(HttpContext context)
    {
        if (await AskAsync(context, "/v1/loads", new QueryString("?include=core")) is not { } said)
        {
            return;
        }
        await ManagementJson.WriteAsync(context, BroadcastAnswer.StatusOf(said), new JsonObject
        {
            ["workers"] = new JsonArray([.. said.Select(s => (JsonNode)new JsonObject
            {
                ["worker"] = s.Url,
                ["worker_type"] = WireName.Of(s.Worker.Role),
                // -1 where nobody knows, as there.
                ["load"] = s.IsGood ? RanksOf(s).Sum(r => (long?)r["num_total_tokens"] ?? 0) : -1,
                ["requests"] = s.IsGood
                    ? RanksOf(s).Sum(r => ((long?)r["num_running_reqs"] ?? 0) + ((long?)r["num_waiting_reqs"] ?? 0)) : -1,
                ["error"] = s.Problem,
            })]),
        });
    }

    private async Task OldAsync(HttpContext context)
    {
        if (await AskAsync(context, "/get_load", default) is not { } said)
        {
            return;
        }
        var ranks = said.Where(s => s.IsGood)
            .SelectMany(s => (s.Body as JsonArray ?? []).OfType<JsonObject>().Select(r => Named(s, r)));
        await ManagementJson.WriteAsync(context, BroadcastAnswer.StatusOf(said), new JsonArray([.. ranks]));
    }

    /// <returns>Null when the call was refused.</returns>
    private async Task<BroadcastReply[]?> AskAsync(HttpContext context, string path, QueryString query)
    {
        var workers = engines.Select(context.Request.Query, out var problem);
        if (problem is not null)
        {
            await ManagementJson.RefuseAsync(context, 400, "BAD_REQUEST", problem);
            return null;
        }
        return await engines.CallAsync(workers, "GET", path + query, default, Patience, context.RequestAborted);
    }

    private static IEnumerable<JsonObject> RanksOf(BroadcastReply said) =>
        ((said.Body as JsonObject)?["loads"] as JsonArray ?? []).OfType<JsonObject>();

    private static JsonArray Ranks(IEnumerable<BroadcastReply> said) =>
        new([.. said.Where(s => s.IsGood).SelectMany(s => RanksOf(s).Select(r => Named(s, r)))]);

    private static JsonNode Named(BroadcastReply said, JsonObject rank)
    {
        var copy = (JsonObject)rank.DeepClone();
        copy["worker"] = said.Url;
        copy["worker_type"] = WireName.Of(said.Worker.Role);
        return copy;
    }

    private static JsonArray Failed(IEnumerable<BroadcastReply> said) =>
        new([.. said.Where(s => !s.IsGood).Select(s => (JsonNode)new JsonArray(s.Url, s.Problem))]);
}
