using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>POST /register_dp_rank</c> and <c>/query_dp_ranks</c>: the room calls of SGLang's bootstrap server, for engines and tools
/// that are pointed at the gateway.
/// </summary>
internal sealed class RoomEndpoints(IControlPlane controlPlane, GatewayOptions options, ILogger<RoomEndpoints> log)
{
    private const string Scheme = "Bearer ";
    private readonly byte[]? _token = string.IsNullOrEmpty(options.RankToken) ? null : Digest(options.RankToken);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/register_dp_rank", context => GuardedAsync(context, RegisterAsync));
        routes.MapPost("/query_dp_ranks", context => GuardedAsync(context, QueryAsync));
    }

    /// <summary>In a cluster the table is elsewhere, and may not answer for a moment: nothing was promised then.</summary>
    private async Task GuardedAsync(HttpContext context, Func<HttpContext, Task> answer)
    {
        try
        {
            await answer(context);
        }
        catch (Exception error) when (!context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted)
        {
            Log.RoomsAway(log, error.Message);
            await RefuseAsync(context, 503, "room_table_away", "the room table does not answer now; ask again");
        }
    }

    private async Task RegisterAsync(HttpContext context)
    {
        using var body = await ReadAsync(context);
        if (body is null)
        {
            return;
        }
        // SGLang's server answers 500 to what it cannot read, because it does not look. It is the caller's mistake, and a
        // monitor that counts 5xx should not take it for ours; engines look at nothing but "is it 200".
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
                await RefuseAsync(context, 409, "room_conflict", $"another rank has the room {room}");
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
        {
            return;
        }
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

    /// <summary>The body; null when the call was refused, which is then answered.</summary>
    private async ValueTask<SharedBody?> ReadAsync(HttpContext context)
    {
        if (!MayCall(context.Request.Headers.Authorization.ToString()))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RefuseAsync(context, 401, "invalid_token", "a bearer token is needed, and this is not it");
            return null;
        }
        var body = await BodyReader.ReadAsync(context.Request, RoomWire.MaxBody, context.RequestAborted);
        if (body is null)
        {
            await RefuseAsync(context, 413, "too_large", $"the body is larger than {RoomWire.MaxBody} bytes");
        }
        return body;
    }

    /// <summary>Digests have one length: the time of the comparison tells neither the token nor how long it is.</summary>
    private bool MayCall(string header) => _token is null
        || (header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Digest(header[Scheme.Length..].Trim()), _token));

    private static byte[] Digest(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    private static async Task RefuseAsync(HttpContext context, int status, string code, string message)
    {
        var output = new ArrayBufferWriter<byte>();
        ErrorJson.Write(output, new AnswerError(status, code, message), Dialect.Chat, inStream: false);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(output.WrittenMemory, context.RequestAborted);
    }
}
