using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>POST /register_dp_rank</c> and <c>/query_dp_ranks</c>: the room calls of SGLang's bootstrap server, for engines and tools
/// that are pointed at the gateway.
/// </summary>
internal sealed class RoomEndpoints(IControlPlane controlPlane, KeyRing keys, ILogger<RoomEndpoints> logger) : IEndpoints
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/register_dp_rank", context => GuardedAsync(context, RegisterAsync));
        routes.MapPost("/query_dp_ranks", context => GuardedAsync(context, QueryAsync));
    }

    /// <summary>
    /// In a cluster the table is in another process and may be unavailable for a moment: the caller has to retry.
    /// </summary>
    private async Task GuardedAsync(HttpContext context, Func<HttpContext, Task> answer)
    {
        try
        {
            await answer(context);
        }
        catch (Exception error) when (!context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted)
        {
            Log.RoomTableUnavailable(logger, error.Message);
            await RefuseAsync(context, 503, "room_table_away", "the room table is unavailable; retry");
        }
    }

    private async Task RegisterAsync(HttpContext context)
    {
        using var body = await ReadAsync(context);
        if (body is null)
            return;
        // SGLang's server answers 500 to a body that it cannot read. It is the caller's mistake, so it is 400 here and monitors
        // do not count it as ours; engines only check for 200.
        if (RoomWire.ReadRegistration(body.Memory, out var room, out var rank) is { } problem)
        {
            await RefuseAsync(context, 400, "invalid_request", problem);
            return;
        }
        switch (await controlPlane.RegisterRankAsync(room, rank, context.RequestAborted))
        {
            case RankRegistration.Stored:
                context.Response.ContentType = "text/plain; charset=utf-8";
                await context.Response.WriteAsync("OK", context.RequestAborted);
                break;
            case RankRegistration.Conflict:
                await RefuseAsync(context, 409, "room_conflict", $"room {room} is registered with another rank");
                break;
            default:
                await RefuseAsync(context, 503, "room_table_full", "the room table is full");
                break;
        }
    }

    private async Task QueryAsync(HttpContext context)
    {
        using var body = await ReadAsync(context);
        if (body is null)
            return;
        if (RoomWire.ReadQuery(body.Memory, out var rooms) is { } problem)
        {
            await RefuseAsync(context, 400, "invalid_request", problem);
            return;
        }
        var ranks = new int[rooms.Length];
        await controlPlane.QueryRanksAsync(rooms, ranks, context.RequestAborted);
        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(RoomWire.Ranks(rooms, ranks), context.RequestAborted);
    }

    /// <summary>The body; null when the call was refused and answered.</summary>
    private async ValueTask<SharedBody?> ReadAsync(HttpContext context)
    {
        if (!keys.MayUseRooms(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RefuseAsync(context, 401, "invalid_token", "this call needs the rank token: 'Authorization: Bearer <token>'");
            return null;
        }
        var body = await BodyReader.ReadAsync(context.Request, RoomWire.MaxBody, context.RequestAborted);
        if (body is null)
            await RefuseAsync(context, 413, "too_large", $"the body is larger than {RoomWire.MaxBody} bytes");
        return body;
    }

    private static Task RefuseAsync(HttpContext context, int status, string code, string message) =>
        ErrorResponse.WriteAsync(context, new AnswerError(status, code, message));
}
