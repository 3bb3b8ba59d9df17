namespace OrleansPd.Gateway.Security;

/// <summary>
/// Checks the client's key before anything else is read, on every route except those in <see cref="Open"/>, so that a new route
/// needs a key by default.
/// </summary>
internal sealed class ClientAuthentication(KeyRing keys)
{
    /// <summary>
    /// Open as on an SGLang engine: health and metrics reveal nothing about requests. Room calls check the rank token.
    /// </summary>
    private static readonly string[] Open =
    [
        "/health", "/health_generate", "/liveness", "/readiness", "/metrics", "/engine_metrics", "/register_dp_rank",
        "/query_dp_ranks",
    ];

    public static ClientAccount? AccountOf(HttpContext context) => ClientIdentity.Of(context)?.Account;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (keys.IdentityOf(context.Request) is { } identity)
        {
            identity.GiveTo(context);
            return next(context);
        }
        if (!keys.AsksClients || Open.Contains(context.Request.Path.Value, StringComparer.OrdinalIgnoreCase))
            return next(context);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ErrorResponse.WriteAsync(context, new AnswerError(
            401, "invalid_api_key", "This gateway needs a key: 'Authorization: Bearer <key>'."));
    }
}
