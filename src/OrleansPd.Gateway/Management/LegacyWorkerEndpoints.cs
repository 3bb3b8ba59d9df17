using System.Text.Json.Nodes;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Management;

/// <summary>The routes of SGLang routers before <c>/workers</c>; scripts still call them. They answer with text.</summary>
internal sealed class LegacyWorkerEndpoints(IFleetAdmin admin, WorkerAllowList allowed, AdminAuthentication gate) : IEndpoints
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/add_worker", gate.Guard(AddAsync));
        routes.MapPost("/remove_worker", gate.Guard(RemoveAsync));
        routes.MapGet("/list_workers", gate.Guard(ListAsync));
    }

    private async Task AddAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var port = query["bootstrap_port"].ToString();
        var number = 0;
        var problem = WorkerRequests.Address(query["url"], out var url);
        var role = WorkerRole.Regular;
        problem ??= WorkerRequests.Role(query["worker_type"] is [{ Length: > 0 } type] ? type : "regular", out role);
        if (problem is null && port.Length > 0
            && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > 65535
                || role != WorkerRole.Prefill))
        {
            problem = "'bootstrap_port' must be 1 to 65535, and is for prefill workers only.";
        }
        if (problem is not null)
        {
            await TextAsync(context, 400, problem);
            return;
        }
        if (await allowed.CheckAsync(url!, context.RequestAborted) is { } forbidden)
        {
            await TextAsync(context, 403, $"'url': {forbidden}.");
            return;
        }
        var answer = await admin.AddAsync(
            new WorkerSpec { Url = url!, Role = role, BootstrapPort = number == 0 ? null : number }, context.RequestAborted);
        await TextAsync(context, answer.Worker is null ? 409
            : 200, answer.Message ?? $"Successfully added worker: {answer.Worker!.Worker.Id}");
    }

    private async Task RemoveAsync(HttpContext context)
    {
        var worker = await WorkerNames.FindAsync(admin, context.Request.Query["url"].ToString(), context.RequestAborted);
        if (worker is null)
        {
            await TextAsync(context, 404, "No worker has that url.");
            return;
        }
        _ = await admin.RemoveAsync(worker.Worker.Id, force: false, context.RequestAborted);
        await TextAsync(context, 200, $"Successfully removed worker: {worker.Worker.Id}");
    }

    private async Task ListAsync(HttpContext context)
    {
        var workers = await admin.ListAsync(context.RequestAborted);
        await ManagementJson.WriteAsync(context, 200, new JsonObject
        {
            ["urls"] = new JsonArray([.. workers.Where(w => w.Worker.Phase != WorkerPhase.Gone)
                .Select(w => (JsonNode)w.Worker.Url.GetLeftPart(UriPartial.Authority))]),
        });
    }

    private static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
