using System.Text.Json.Nodes;
using OrleansPd.Gateway.Generation;
using OrleansPd.Gateway.Management;

namespace OrleansPd.Gateway.Observing;

/// <summary>What SGLang's tools query from a router about its engines.</summary>
internal sealed class InfoEndpoints(
    IControlPlane controlPlane, ModelNames models, EngineBroadcast engines, TimeProvider clock, ILogger<InfoEndpoints> logger)
    : IEndpoints
{
    /// <summary>
    /// Engines answer <c>/server_info</c> only when each of their schedulers does; one that is stuck must not block the caller.
    /// </summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/models", ModelsAsync);
        routes.MapGet("/v1/models/{**id}", ModelAsync);
        routes.MapGet("/model_info", ModelInfoAsync);
        routes.MapGet("/get_model_info", ModelInfoAsync);
        routes.MapGet("/server_info", ServerInfoAsync);
        routes.MapGet("/get_server_info", ServerInfoAsync);
    }

    private Task ModelsAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        var data = new JsonArray(
        [
            .. fleet.Models.Select(model => Card(fleet, model)),
            .. models.OtherNames.Select(other => Card(fleet, other.Model, other.Name, other.IsAdapter)),
        ]);
        return WriteAsync(context, new JsonObject { ["object"] = "list", ["data"] = data });
    }

    private Task ModelAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        var id = (string?)context.Request.RouteValues["id"];
        if (id is not null && fleet.Models.Contains(id))
            return WriteAsync(context, Card(fleet, id));
        if (models.OtherNames.FirstOrDefault(other => other.Name == id) is { Name: not null } found)
            return WriteAsync(context, Card(fleet, found.Model, found.Name, found.IsAdapter));
        return ErrorResponse.WriteAsync(context, new AnswerError(
            404, "model_not_found", $"The model '{id}' is not served here.", Param: "model"));
    }

    /// <param name="name">Another name of the model, or of an adapter of it; null = the model's own name.</param>
    private JsonObject Card(FleetSnapshot fleet, string model, string? name = null, bool isAdapter = false) => new()
    {
        ["id"] = name ?? model,
        ["object"] = "model",
        ["created"] = clock.GetUtcNow().ToUnixTimeSeconds(),
        ["owned_by"] = "sglang",
        ["root"] = model,
        ["parent"] = isAdapter ? model : null,
        ["max_model_len"] = fleet.Workers.Where(w => w.Model == model).Min(w => w.Facts.ContextLength),
    };

    /// <summary>The answer of one engine, prefill engines first: clients read the path of the tokenizer in it.</summary>
    private async Task ModelInfoAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        foreach (var worker in fleet.Prefill.Concat(fleet.Regular).Concat(fleet.Decode).OrderByDescending(w => w.IsPairable))
        {
            if (await QueryAsync([worker], "/model_info", context.RequestAborted) is [{ } info])
            {
                await WriteAsync(context, info);
                return;
            }
        }
        await ErrorResponse.WriteAsync(context, new AnswerError(503, "no_healthy_workers", "No engine answers."));
    }

    private async Task ServerInfoAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        var prefill = QueryAsync(fleet.Prefill, "/server_info", context.RequestAborted);
        var decode = QueryAsync(fleet.Decode, "/server_info", context.RequestAborted);
        var regular = QueryAsync(fleet.Regular, "/server_info", context.RequestAborted);
        var answers = await Task.WhenAll(prefill, decode, regular);
        var states = new JsonArray();
        foreach (var info in answers[1].Concat(answers[2]))
        {
            foreach (var state in info?["internal_states"] as JsonArray ?? [])
                states.Add(state?.DeepClone());
        }
        var first = answers.SelectMany(a => a).FirstOrDefault(a => a is not null);
        var whole = new JsonObject
        {
            ["internal_states"] = states,
            ["prefill"] = new JsonArray([.. answers[0]]),
            ["decode"] = new JsonArray([.. answers[1]]),
        };
        if (answers[2].Length > 0)
            whole["regular"] = new JsonArray([.. answers[2]]);
        foreach (var name in (ReadOnlySpan<string>)["tokenizer_path", "model_path", "served_model_name", "version"])
            whole[name] = first?[name]?.DeepClone();
        await WriteAsync(context, whole);
    }

    /// <returns>The JSON of each engine without its keys; null where it does not answer with an object.</returns>
    private async Task<JsonNode?[]> QueryAsync(
        ImmutableArray<WorkerSnapshot> workers, string path, CancellationToken cancellationToken)
    {
        var replies = await engines.CallAsync(workers, "GET", path, default, Timeout, cancellationToken);
        return [.. replies.Select(reply =>
        {
            if (reply is { IsGood: true, Body: JsonObject info })
                return info;
            Log.EngineQueryFailed(logger, reply.Worker.Url, path, reply.Problem ?? "not a JSON object");
            return null;
        })];
    }

    private static Task WriteAsync(HttpContext context, JsonNode node) =>
        context.Response.WriteAsJsonAsync(node, context.RequestAborted);
}
