using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Management;

/// <summary>Lets through who has the admin key; everybody where none is set.</summary>
internal sealed class AdminGate(GatewayOptions options)
{
    private const string Scheme = "Bearer ";

    // Hashes are compared: equal lengths, so that the time taken tells nothing of the key.
    private readonly byte[]? _wanted = string.IsNullOrEmpty(options.AdminApiKey) ? null : Hash(options.AdminApiKey);

    public RequestDelegate Guard(RequestDelegate next) => async context =>
    {
        if (!Allows(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await ManagementJson.RefuseAsync(context, 401, "UNAUTHORIZED", "This call needs the admin key: 'Authorization: Bearer <key>'.")
                .ConfigureAwait(false);
            return;
        }
        await next(context).ConfigureAwait(false);
    };

    private bool Allows(HttpRequest request)
    {
        if (_wanted is null)
        {
            return true;
        }
        var given = request.Headers.Authorization.ToString();
        return given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Hash(given[Scheme.Length..].Trim()), _wanted);
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
