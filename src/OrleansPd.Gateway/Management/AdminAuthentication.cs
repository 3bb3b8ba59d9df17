using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// Requires the admin key. Where none is configured a client's key suffices, if clients need one; else the route is open. These
/// are the levels of an SGLang engine.
/// </summary>
internal sealed class AdminAuthentication(KeyRing keys)
{
    public RequestDelegate Guard(RequestDelegate next) => context =>
    {
        if (!keys.HasAdmin || keys.IsAdmin(context.Request))
            return next(context);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ManagementJson.RefuseAsync(
            context, 401, "UNAUTHORIZED", "This call needs the admin key: 'Authorization: Bearer <key>'.");
    };
}
