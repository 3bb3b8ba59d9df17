using Microsoft.AspNetCore.Http;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// Lets through who has the admin key. Where none is set a client's key will do, if those are asked for, else anybody: the levels
/// of an SGLang engine (protocol §1.1).
/// </summary>
internal sealed class AdminAuthentication(KeyRing keys)
{
    public RequestDelegate Guard(RequestDelegate next) => async context =>
    {
        if (keys.HasAdmin && !keys.IsAdmin(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await ManagementJson.RefuseAsync(
                context, 401, "UNAUTHORIZED", "This call needs the admin key: 'Authorization: Bearer <key>'.");
            return;
        }
        await next(context);
    };
}
