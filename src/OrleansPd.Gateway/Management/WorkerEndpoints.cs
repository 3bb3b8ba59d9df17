using System.Text.Json.Nodes;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>/workers</c>: routes and shapes of the SGLang gateway, with some more members. With
/// <see cref="Options.GatewayOptions.AdminApiKey"/> all of them need it; without, they are open to everyone who reaches the port.
/// </summary>
internal sealed class WorkerEndpoints(IFleetAdmin admin, WorkerAllowList allowed, AdminAuthentication gate) : IEndpoints
{
    private const long MaxBody = 1 << 20;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/workers", gate.Guard(ListAsync));
        routes.MapPost("/workers", gate.Guard(AddAsync));
        routes.MapGet("/workers/{id}", gate.Guard(GetAsync));
        routes.MapPatch("/workers/{id}", gate.Guard(PatchAsync));
        routes.MapDelete("/workers/{id}", gate.Guard(RemoveAsync));
        routes.MapPost("/workers/{id}/role", gate.Guard(SwitchAsync));
    }

    private async Task ListAsync(HttpContext context)
    {
        var workers = await admin.ListAsync(context.RequestAborted);
        await ManagementJson.WriteAsync(context, 200, new JsonObject
        {
            ["workers"] = new JsonArray([.. workers.Select(WorkerJson.Of)]),
            ["total"] = workers.Length,
            ["stats"] = new JsonObject
            {
                ["prefill_count"] = Count(WorkerRole.Prefill),
                ["decode_count"] = Count(WorkerRole.Decode),
                ["regular_count"] = Count(WorkerRole.Regular),
                ["gone_count"] = workers.Count(w => w.Worker.Phase == WorkerPhase.Gone),
            },
        });

        int Count(WorkerRole role) => workers.Count(w => w.Worker.Role == role && w.Worker.Phase != WorkerPhase.Gone);
    }

    private async Task AddAsync(HttpContext context)
    {
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Spec(body.Memory, out problem) is not { } spec)
        {
            await ManagementJson.BadRequestAsync(context, problem!);
            return;
        }
        if (await allowed.CheckAsync(spec.Url, context.RequestAborted) is { } forbidden)
        {
            await ManagementJson.RefuseAsync(context, 403, "URL_NOT_ALLOWED", $"'url': {forbidden}.");
            return;
        }
        var answer = await admin.AddAsync(spec, context.RequestAborted);
        if (answer.Worker is not { } worker)
        {
            await ManagementJson.RefuseAsync(context, answer.Problem, answer.Message);
            return;
        }
        var id = WorkerNames.IdOf(worker.Worker.Id);
        context.Response.Headers.Location = $"/workers/{id}";
        await ManagementJson.WriteAsync(context, 202, new JsonObject
        {
            ["status"] = "accepted",
            ["worker_id"] = id,
            ["url"] = worker.Worker.Url.GetLeftPart(UriPartial.Authority),
            ["location"] = $"/workers/{id}",
            ["message"] = "The worker is added; it serves after its readiness check.",
        });
    }

    private async Task GetAsync(HttpContext context)
    {
        if (await NamedAsync(context) is { } worker)
            await ManagementJson.WriteAsync(context, 200, WorkerJson.Of(worker));
    }

    private async Task PatchAsync(HttpContext context)
    {
        if (await NamedAsync(context) is not { } worker)
            return;
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Patch(body.Memory, out problem) is not { } patch)
        {
            await ManagementJson.BadRequestAsync(context, problem!);
            return;
        }
        await AnswerAsync(context, 202, await admin.PatchAsync(
            worker.Worker.Id, patch, context.RequestAborted), "The worker is changed.");
    }

    private async Task RemoveAsync(HttpContext context)
    {
        if (await NamedAsync(context) is not { } worker)
            return;
        var text = context.Request.Query["force"].ToString();
        if (text is not ("" or "true" or "false" or "1" or "0"))
        {
            await ManagementJson.BadRequestAsync(context, "'force' must be true or false.");
            return;
        }
        var force = text is "true" or "1";
        var answer = await admin.RemoveAsync(worker.Worker.Id, force, context.RequestAborted);
        await AnswerAsync(context, 202, answer, force
            ? "The worker is removed; its requests in flight run on."
            : "The worker gets no new requests and is removed when none is left on it; see safe_to_kill.");
    }

    private async Task SwitchAsync(HttpContext context)
    {
        if (await NamedAsync(context) is not { } worker)
            return;
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.NewRole(body.Memory, out problem) is not { } role)
        {
            await ManagementJson.BadRequestAsync(context, problem!);
            return;
        }
        try
        {
            var answer = await admin.SwitchRoleAsync(worker.Worker.Id, role, context.RequestAborted);
            await AnswerAsync(context, 200, answer,
                "The engine has switched; the worker serves after its readiness check.");
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            await ManagementJson.RefuseAsync(context, 503, "SHUTTING_DOWN", "The gateway is stopping.");
        }
    }

    /// <summary>The worker that the path names; where there is none the answer is written.</summary>
    private async Task<WorkerView?> NamedAsync(HttpContext context)
    {
        var given = (string)context.Request.RouteValues["id"]!;
        var worker = await WorkerNames.FindAsync(admin, given, context.RequestAborted);
        if (worker is null)
            await ManagementJson.RefuseAsync(context, 404, "WORKER_NOT_FOUND", "No worker has that id or address.");
        return worker;
    }

    private static Task AnswerAsync(HttpContext context, int status, AdminAnswer answer, string message) =>
        answer.Worker is { } worker
        ? ManagementJson.WriteAsync(context, status, new JsonObject
        {
            ["status"] = "accepted",
            ["worker_id"] = WorkerNames.IdOf(worker.Worker.Id),
            ["message"] = message,
            ["worker"] = WorkerJson.Of(worker),
        })
        : ManagementJson.RefuseAsync(context, answer.Problem, answer.Message);
}
