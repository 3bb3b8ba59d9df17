namespace OrleansPd.Gateway.Security;

/// <summary>
/// The owner of an accepted key: one object per key, set as a feature of the request. Features are stored in a list that the
/// connection reuses; <see cref="HttpContext.Items"/> would allocate a dictionary per request.
/// </summary>
/// <param name="account">Null for the admin's key, which has no limits.</param>
internal sealed class ClientIdentity(ClientAccount? account)
{
    public ClientAccount? Account => account;

    /// <returns>Null if the request has no accepted key.</returns>
    public static ClientIdentity? Of(HttpContext context) => context.Features.Get<ClientIdentity>();

    public void GiveTo(HttpContext context) => context.Features.Set(this);
}
