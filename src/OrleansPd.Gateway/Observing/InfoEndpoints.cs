using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Probes;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Generation;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Wire;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Observing;

/// <summary>What SGLang's tools ask a router about its engines (protocol §12.2).</summary>
internal sealed class InfoEndpoints(
    IControlPlane controlPlane, ModelNames models, IUpstream upstream, TimeProvider clock, ILogger<InfoEndpoints> logger)
{
    /// <summary>
    /// Engines answer <c>/server_info</c> only when each of their schedulers does; a stuck one must not hold us.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly EngineCaller _caller = new(upstream, clock);

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
        {
            return WriteAsync(context, Card(fleet, id));
        }
        if (models.OtherNames.FirstOrDefault(other => other.Name == id) is { Name: not null } found)
        {
            return WriteAsync(context, Card(fleet, found.Model, found.Name, found.IsAdapter));
        }
        return RefuseAsync(context, new AnswerError(
            404, "model_not_found", $"The model '{id}' is not served here.", Param: "model"));
    }

    /// <param name="name">Another name of the model, or of an adapter of it; null = its own.</param>
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

    /// <summary>A prefill's own answer: clients read the tokenizer's path in it.</summary>
    private async Task ModelInfoAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        foreach (var worker in fleet.Prefill.Concat(fleet.Regular).Concat(fleet.Decode).OrderByDescending(w => w.IsPairable))
        {
            if (await AskAsync(worker, "/model_info", context.RequestAborted) is { } info)
            {
                await WriteAsync(context, info);
                return;
            }
        }
        await RefuseAsync(context, new AnswerError(503, "no_healthy_workers", "No engine answers."));
    }

    private async Task ServerInfoAsync(HttpContext context)
    {
        var fleet = controlPlane.Fleet;
        var prefill = AskAllAsync(fleet.Prefill, context.RequestAborted);
        var decode = AskAllAsync(fleet.Decode, context.RequestAborted);
        var regular = AskAllAsync(fleet.Regular, context.RequestAborted);
        var answers = await Task.WhenAll(prefill, decode, regular);
        var states = new JsonArray();
        foreach (var info in answers[1].Concat(answers[2]))
        {
            foreach (var state in info?["internal_states"] as JsonArray ?? [])
            {
                states.Add(state?.DeepClone());
            }
        }
        var first = answers.SelectMany(a => a).FirstOrDefault(a => a is not null);
        var whole = new JsonObject
        {
            ["internal_states"] = states,
            ["prefill"] = new JsonArray([.. answers[0]]),
            ["decode"] = new JsonArray([.. answers[1]]),
        };
        if (answers[2].Length > 0)
        {
            whole["regular"] = new JsonArray([.. answers[2]]);
        }
        foreach (var name in (ReadOnlySpan<string>)["tokenizer_path", "model_path", "served_model_name", "version"])
        {
            whole[name] = first?[name]?.DeepClone();
        }
        await WriteAsync(context, whole);
    }

    private async Task<JsonNode?[]> AskAllAsync(IReadOnlyList<WorkerSnapshot> workers, CancellationToken cancellationToken) =>
        await Task.WhenAll(workers.Select(w => AskAsync(w, "/server_info", cancellationToken)));

    /// <returns>The engine's JSON without its keys; null when it does not answer.</returns>
    private async Task<JsonNode?> AskAsync(WorkerSnapshot worker, string path, CancellationToken cancellationToken)
    {
        var reply = await _caller.GetAsync(worker.Url, path, worker.ApiKey, Patience, cancellationToken);
        if (!reply.IsOk)
        {
            Log.InfoFailed(logger, worker.Url, path, reply.Problem ?? $"status {reply.Status}");
            return null;
        }
        try
        {
            var info = JsonNode.Parse(reply.Body);
            Secrets.Remove(info);
            return info;
        }
        catch (JsonException e)
        {
            Log.InfoFailed(logger, worker.Url, path, e.Message);
            return null;
        }
    }

    private static Task WriteAsync(HttpContext context, JsonNode node) =>
        context.Response.WriteAsJsonAsync(node, context.RequestAborted);

    private Task RefuseAsync(HttpContext context, AnswerError error) =>
        new HttpAnswerSink(context, Dialect.Chat, clock).RefuseAsync(error, context.RequestAborted).AsTask();
}
