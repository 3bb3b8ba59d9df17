using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// That a request showed one of our keys, and whose. There is one for each key, and a request has it as a feature: those are
/// kept in a list that a connection uses again, where <see cref="HttpContext.Items"/> would be a new dictionary each time.
/// </summary>
/// <param name="account">Null for the admin's key, which has no limits.</param>
internal sealed class ClientIdentity(ClientAccount? account)
{
    public ClientAccount? Account => account;

    /// <returns>Null where no key of ours was shown.</returns>
    public static ClientIdentity? Of(HttpContext context) => context.Features.Get<ClientIdentity>();

    public void GiveTo(HttpContext context) => context.Features.Set(this);
}
