using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>GET /pools</c>, and <c>PUT /pools/{role}/{model}</c> with <c>{"wanted": 4}</c>: the size and the target size of each pool.
/// </summary>
internal sealed class PoolEndpoints(IFleetAdmin admin, AdminAuthentication gate) : IEndpoints
{
    private const long MaxBody = 1 << 16;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/pools", gate.Guard(ListAsync));
        // Model names contain slashes, escaped or not.
        routes.MapPut("/pools/{role}/{**model}", gate.Guard(ScaleAsync));
    }

    private async Task ListAsync(HttpContext context)
    {
        var pools = await admin.PoolsAsync(context.RequestAborted);
        var json = new JsonObject { ["pools"] = new JsonArray([.. pools.Select(Json)]), ["total"] = pools.Length };
        await ManagementJson.WriteAsync(context, 200, json);
    }

    private async Task ScaleAsync(HttpContext context)
    {
        var (role, model) = ((string)context.Request.RouteValues["role"]!, (string?)context.Request.RouteValues["model"]);
        // Kestrel decodes the path except for escaped slashes.
        if (!PoolName.TryParse($"{role}/{model?.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase)}", out var pool))
        {
            await ManagementJson.BadRequestAsync(
                context, "The path must be /pools/{role}/{model}: prefill, decode or regular, and the model's name, "
                + "or '-' for workers whose engines report it.");
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Target(pool, body.Memory, out problem) is not { } target)
        {
            await ManagementJson.BadRequestAsync(context, problem!);
            return;
        }
        var answer = await admin.ScaleAsync(target, context.RequestAborted);
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
        ["wanted"] = pool.TargetSize,
        ["present"] = pool.Present,
        ["ready"] = pool.Ready,
        ["draining"] = pool.Draining,
        ["missing"] = pool.Missing,
        ["surplus"] = pool.Surplus,
    };
}
