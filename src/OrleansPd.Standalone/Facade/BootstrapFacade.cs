using Microsoft.AspNetCore.Http;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Standalone.Facade;

/// <summary>
/// The facade of one epoch of one prefill engine's bootstrap server; decode engines use it in place of that server. Its
/// <c>/health</c> reports the gateway's view of the worker, not the engine's: after two answers other than 200 a decode engine
/// drops the prefill and fails its rooms, so a dead prefill is fenced off.
/// </summary>
internal sealed class BootstrapFacade(IFacadeFleet fleet, WorkerSnapshot prefill, BootstrapRelay relay)
{
    private const string Text = "text/plain; charset=utf-8";

    public WorkerId Worker => prefill.Id;
    public long Epoch => prefill.Epoch;

    public bool IsAlive
    {
        get
        {
            foreach (var worker in fleet.Fleet.Prefill)
            {
                if (worker.Id == prefill.Id)
                    return worker.Epoch == prefill.Epoch && worker.Phase is not (WorkerPhase.Registered or WorkerPhase.Gone);
            }
            return false;
        }
    }

    public Task AnswerAsync(HttpContext context) => (context.Request.Path.Value, context.Request.Method) switch
    {
        ("/health", "GET" or "HEAD") => IsAlive ? TextAsync(context, 200, "OK") : FencedAsync(context),
        ("/route", "GET") => IsAlive ? RouteAsync(context) : FencedAsync(context),
        ("/query_dp_ranks", "POST") => IsAlive ? QueryAsync(context) : FencedAsync(context),
        ("/register_dp_rank", "POST") => IsAlive ? RegisterAsync(context) : FencedAsync(context),
        // No PUT /route: prefill ranks register with their engine's own bootstrap server.
        ("/health" or "/route" or "/query_dp_ranks" or "/register_dp_rank", _) =>
            TextAsync(context, 405, "405: Method Not Allowed"),
        _ => TextAsync(context, 404, "404: Not Found"),
    };

    private static Task FencedAsync(HttpContext context) => TextAsync(context, 503, "This prefill is gone.");

    private async Task RouteAsync(HttpContext context)
    {
        var reply = await relay.RouteAsync(context.Request.QueryString.Value ?? "").WaitAsync(context.RequestAborted);
        await WriteAsync(context, reply.Status, reply.ContentType, reply.Body);
    }

    private async Task RegisterAsync(HttpContext context)
    {
        using var body = await BodyReader.ReadAsync(context.Request, RoomWire.MaxBody, context.RequestAborted);
        if (body is null || RoomWire.ReadRegistration(body.Memory, out var room, out var rank) is not null)
        {
            await TextAsync(context, 400, "Not a room and its rank.");
            return;
        }
        await (fleet.RegisterRank(room, rank, prefill) switch
        {
            RankRegistration.Stored => TextAsync(context, 200, "OK"),
            RankRegistration.Conflict => TextAsync(context, 409, $"Another rank owns the room {room}."),
            _ => TextAsync(context, 503, "The room table is full."),
        });
    }

    /// <summary>
    /// Answers from the gateway's rooms; queries the real server for unknown ones and checks its answers against the leases.
    /// </summary>
    private async Task QueryAsync(HttpContext context)
    {
        using var body = await BodyReader.ReadAsync(context.Request, RoomWire.MaxBody, context.RequestAborted);
        if (body is null || RoomWire.ReadQuery(body.Memory, out var rooms) is not null)
        {
            await TextAsync(context, 400, "Not a list of rooms.");
            return;
        }
        var ranks = new int[rooms.Length];
        await fleet.QueryRanksAsync(rooms, ranks, context.RequestAborted);
        var unknown = rooms.Where((_, i) => ranks[i] < 0).ToArray();
        if (unknown.Length > 0)
        {
            var reported = new int[unknown.Length];
            await relay.QueryAsync(unknown, reported, context.RequestAborted);
            for (int i = 0, next = 0; i < rooms.Length; i++)
            {
                if (ranks[i] < 0)
                {
                    // Full is no reason to keep it from the engine; a conflict is: its KV would go to a request that is not its
                    // own.
                    var rank = reported[next++];
                    ranks[i] = rank >= 0 && fleet.RegisterRank(rooms[i], rank, prefill) != RankRegistration.Conflict ? rank : -1;
                }
            }
        }
        await WriteAsync(context, 200, "application/json; charset=utf-8", RoomWire.Ranks(rooms, ranks));
    }

    private static Task TextAsync(HttpContext context, int status, string text) =>
        WriteAsync(context, status, Text, System.Text.Encoding.UTF8.GetBytes(text));

    private static async Task WriteAsync(HttpContext context, int status, string? type, ReadOnlyMemory<byte> body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (context.Request.Method != "HEAD")
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
