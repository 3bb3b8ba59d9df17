using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>GET /pools</c>, and <c>PUT /pools/{role}/{model}</c> with <c>{"wanted": 4}</c>: how many workers each pool has and should have.
/// </summary>
internal static class PoolRoutes
{
    private const long MaxBody = 1 << 16;

    public static void Map(IEndpointRouteBuilder routes, AdminAuthentication gate, IFleetAdmin admin)
    {
        routes.MapGet("/pools", gate.Guard(context => ListAsync(context, admin)));
        // Names of models have slashes, escaped or not.
        routes.MapPut("/pools/{role}/{**model}", gate.Guard(context => ScaleAsync(context, admin)));
    }

    private static async Task ListAsync(HttpContext context, IFleetAdmin admin)
    {
        var pools = await admin.PoolsAsync(context.RequestAborted);
        var json = new JsonObject { ["pools"] = new JsonArray([.. pools.Select(Json)]), ["total"] = pools.Length };
        await ManagementJson.WriteAsync(context, 200, json);
    }

    private static async Task ScaleAsync(HttpContext context, IFleetAdmin admin)
    {
        var (role, model) = ((string)context.Request.RouteValues["role"]!, (string?)context.Request.RouteValues["model"]);
        // The server has decoded the path, but for this one.
        if (!PoolName.TryParse($"{role}/{model?.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase)}", out var pool))
        {
            await RefuseAsync(context, "A pool is named /pools/{role}/{model}: prefill, decode or regular, and the model's name, "
                + "or '-' where engines tell it.");
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Wish(pool, body.Memory, out problem) is not { } wish)
        {
            await RefuseAsync(context, problem!);
            return;
        }
        var answer = await admin.ScaleAsync(wish, context.RequestAborted);
        if (answer.Pool is not { } scaled)
        {
            await ManagementJson.RefuseAsync(context, answer.Problem, answer.Message);
            return;
        }
        var json = Json(scaled);
        json["drained"] = new JsonArray([.. answer.Drained.Select(id => (JsonNode)WorkerNames.IdOf(id))]);
        await ManagementJson.WriteAsync(context, 200, json);
    }

    private static JsonObject Json(PoolView pool) => new()
    {
        ["pool"] = pool.Name.ToString(),
        ["role"] = WireName.Of(pool.Name.Role),
        ["model"] = pool.Name.Model,
        ["wanted"] = pool.Wanted,
        ["present"] = pool.Present,
        ["ready"] = pool.Ready,
        ["draining"] = pool.Draining,
        ["missing"] = pool.Missing,
        ["surplus"] = pool.Surplus,
    };

    private static Task RefuseAsync(HttpContext context, string problem) =>
        ManagementJson.RefuseAsync(context, 400, "BAD_REQUEST", problem);
}
