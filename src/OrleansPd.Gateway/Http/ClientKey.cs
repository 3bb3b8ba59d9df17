using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Http;

/// <summary>What a client brought as <c>Authorization</c>.</summary>
internal static class ClientKey
{
    private static readonly object Checked = new();

    /// <summary>The header was one of our keys: it opens this gateway and is nobody else's business.</summary>
    public static void MarkOurs(HttpContext context) => context.Items[Checked] = true;

    /// <summary>The header for engines that have no key of their own configured; null = none, or one of ours.</summary>
    public static string? ForEngines(HttpContext context)
    {
        var value = context.Request.Headers.Authorization.ToString();
        return value.Length == 0 || context.Items.ContainsKey(Checked) ? null : value;
    }
}
