using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Security;

/// <summary>What a client brought as <c>Authorization</c>.</summary>
internal static class ClientKey
{
    /// <summary>
    /// The header for engines that have no key of their own configured; null = none, or one of ours: that opens this gateway
    /// and is nobody else's business.
    /// </summary>
    public static string? ForEngines(HttpContext context)
    {
        var value = context.Request.Headers.Authorization.ToString();
        return value.Length == 0 || ClientIdentity.Of(context) is not null ? null : value;
    }
}
