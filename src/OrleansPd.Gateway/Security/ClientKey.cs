namespace OrleansPd.Gateway.Security;

/// <summary>The client's header <c>Authorization</c>.</summary>
internal static class ClientKey
{
    /// <summary>
    /// The header to forward to engines for which no key is configured; null if there is none, or if it is a key of this gateway:
    /// engines must not see it.
    /// </summary>
    public static string? ForEngines(HttpContext context)
    {
        var value = context.Request.Headers.Authorization.ToString();
        return value.Length == 0 || ClientIdentity.Of(context) is not null ? null : value;
    }
}
