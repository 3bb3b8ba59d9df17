using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// Asks for a client's key before anything else is looked at, on every route but those that are open by name: a route that is
/// added later is closed until somebody opens it.
/// </summary>
internal sealed class ClientAuthentication(KeyRing keys, TimeProvider clock)
{
    /// <summary>
    /// As on an SGLang engine: health and metrics tell nothing of requests. Room calls have a token of their own.
    /// </summary>
    private static readonly string[] Open =
    [
        "/health", "/health_generate", "/liveness", "/readiness", "/metrics", "/engine_metrics", "/register_dp_rank",
        "/query_dp_ranks",
    ];

    public static ClientAccount? AccountOf(HttpContext context) => ClientIdentity.Of(context)?.Account;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (keys.IdentityOf(context.Request) is { } pass)
        {
            pass.GiveTo(context);
            return next(context);
        }
        if (!keys.AsksClients)
        {
            return next(context);
        }
        if (Open.Contains(context.Request.Path.Value, StringComparer.OrdinalIgnoreCase))
        {
            return next(context);
        }
        context.Response.Headers.WWWAuthenticate = "Bearer";
        var error = new AnswerError(401, "invalid_api_key", "This gateway needs a key: 'Authorization: Bearer <key>'.");
        return new HttpAnswerSink(context, Dialect.Chat, clock).RefuseAsync(error, context.RequestAborted).AsTask();
    }
}
