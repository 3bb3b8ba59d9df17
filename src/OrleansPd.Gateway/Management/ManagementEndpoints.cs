using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Core.Admin;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Management;

/// <summary>The management API: routes and shapes of the SGLang gateway, and some members more.</summary>
public static class ManagementEndpoints
{
    private const long MaxBody = 1 << 20;

    /// <summary>
    /// Maps <c>/workers</c>, <c>/pools</c> and the SGLang router's older <c>/add_worker</c>, <c>/remove_worker</c>,
    /// <c>/list_workers</c>. With <see cref="GatewayOptions.AdminApiKey"/> all of them need it; without, they are open to
    /// everybody who reaches the port.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no <see cref="IFleetAdmin"/> among the services.</exception>
    public static IEndpointRouteBuilder MapPdManagement(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        var services = routes.ServiceProvider;
        var admin = services.GetRequiredService<IFleetAdmin>();
        var gate = services.GetRequiredService<AdminAuthentication>();
        var allowed = services.GetRequiredService<WorkerAllowList>();

        routes.MapGet("/workers", gate.Guard(context => ListAsync(context, admin)));
        routes.MapPost("/workers", gate.Guard(context => AddAsync(context, admin, allowed)));
        routes.MapGet("/workers/{id}", gate.Guard(context => GetAsync(context, admin)));
        routes.MapPatch("/workers/{id}", gate.Guard(context => PatchAsync(context, admin)));
        routes.MapDelete("/workers/{id}", gate.Guard(context => RemoveAsync(context, admin)));
        routes.MapPost("/workers/{id}/role", gate.Guard(context => SwitchAsync(context, admin)));
        PoolRoutes.Map(routes, gate, admin);
        LegacyWorkerRoutes.Map(routes, gate, admin, allowed);
        return routes;
    }

    /// <summary>
    /// Maps what SGLang's tools call on a router: control calls to all engines, their loads, and <c>/route_pd</c>. What changes
    /// something needs <see cref="GatewayOptions.AdminApiKey"/> where one is set.
    /// </summary>
    public static IEndpointRouteBuilder MapPdTooling(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        var services = routes.ServiceProvider;
        var options = services.GetRequiredService<GatewayOptions>();
        var clock = services.GetRequiredService<TimeProvider>();
        var gate = services.GetRequiredService<AdminAuthentication>();
        var engines = services.GetRequiredService<EngineBroadcast>();
        var admin = services.GetService<IFleetAdmin>();
        var adapters = new AdapterWatch(services.GetRequiredService<IControlPlane>(), admin, clock);
        new ControlRoutes(engines, services.GetRequiredService<RequestDispatcher>(), adapters, admin, options).Map(routes, gate);
        new LoadRoutes(engines, clock).Map(routes);
        services.GetRequiredService<PairRoutes>().Map(routes, gate);
        return routes;
    }

    internal static async Task<WorkerView?> FindAsync(IFleetAdmin admin, string given, CancellationToken cancellationToken)
    {
        var workers = await admin.ListAsync(cancellationToken);
        return workers.FirstOrDefault(w => WorkerNames.Names(given, w.Worker.Id));
    }

    private static async Task ListAsync(HttpContext context, IFleetAdmin admin)
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

    private static async Task AddAsync(HttpContext context, IFleetAdmin admin, WorkerAllowList allowed)
    {
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Spec(body.Memory, out problem) is not { } spec)
        {
            await RefuseAsync(context, problem!);
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
            await ManagementJson.RefuseAsync(context, answer);
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
            ["message"] = "The worker is added; it serves when a generation went through it.",
        });
    }

    private static async Task GetAsync(HttpContext context, IFleetAdmin admin)
    {
        if (await NamedAsync(context, admin) is { } worker)
        {
            await ManagementJson.WriteAsync(context, 200, WorkerJson.Of(worker));
        }
    }

    private static async Task PatchAsync(HttpContext context, IFleetAdmin admin)
    {
        if (await NamedAsync(context, admin) is not { } worker)
        {
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.Patch(body.Memory, out problem) is not { } patch)
        {
            await RefuseAsync(context, problem!);
            return;
        }
        await AnswerAsync(context, 202, await admin.PatchAsync(
            worker.Worker.Id, patch, context.RequestAborted), "The worker is changed.");
    }

    private static async Task RemoveAsync(HttpContext context, IFleetAdmin admin)
    {
        if (await NamedAsync(context, admin) is not { } worker)
        {
            return;
        }
        var text = context.Request.Query["force"].ToString();
        if (text is not ("" or "true" or "false" or "1" or "0"))
        {
            await RefuseAsync(context, "'force' must be true or false.");
            return;
        }
        var force = text is "true" or "1";
        var answer = await admin.RemoveAsync(worker.Worker.Id, force, context.RequestAborted);
        await AnswerAsync(context, 202, answer, force
            ? "The worker is removed; what is in flight on it runs on."
            : "The worker gets nothing new and is gone when nothing is left on it; see safe_to_kill.");
    }

    private static async Task SwitchAsync(HttpContext context, IFleetAdmin admin)
    {
        if (await NamedAsync(context, admin) is not { } worker)
        {
            return;
        }
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || WorkerRequests.NewRole(body.Memory, out problem) is not { } role)
        {
            await RefuseAsync(context, problem!);
            return;
        }
        try
        {
            var answer = await admin.SwitchRoleAsync(worker.Worker.Id, role, context.RequestAborted);
            await AnswerAsync(context, 200, answer,
                "Its engine has switched; the worker serves when a generation went through it.");
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            await ManagementJson.RefuseAsync(context, 503, "SHUTTING_DOWN", "The gateway is stopping.");
        }
    }

    /// <summary>The worker that the path names; where there is none the answer is written.</summary>
    private static async Task<WorkerView?> NamedAsync(HttpContext context, IFleetAdmin admin)
    {
        var given = (string)context.Request.RouteValues["id"]!;
        var worker = await FindAsync(admin, given, context.RequestAborted);
        if (worker is null)
        {
            await ManagementJson.RefuseAsync(context, 404, "WORKER_NOT_FOUND", "No worker has that id or address.");
        }
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
        : ManagementJson.RefuseAsync(context, answer);

    private static Task RefuseAsync(HttpContext context, string problem) =>
        ManagementJson.RefuseAsync(context, 400, "BAD_REQUEST", problem);
}
