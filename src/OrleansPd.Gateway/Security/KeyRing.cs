using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections.Features;

namespace OrleansPd.Gateway.Security;

/// <summary>The keys that this gateway accepts, kept as hashes, see <see cref="BearerKey"/>.</summary>
/// <remarks>
/// An accepted header is not hashed again on the same connection. Kestrel reuses the string object of a header that equals the
/// one in the connection's previous request, and only references are compared here, so the timing reveals nothing about a key.
/// The connection keeps the last accepted header only. Keys never change during the lifetime of this object.
/// </remarks>
internal sealed class KeyRing
{
    private readonly ClientIdentity[] _clients;
    private readonly byte[]? _admin;
    private readonly byte[]? _rankToken;
    private readonly ClientIdentity _adminIdentity = new(null);

    public KeyRing(GatewayOptions options, TimeProvider clock)
    {
        var specs = options.ClientKeys.Select(ClientKeySpec.Parse).ToList();
        if (BearerKey.HashOf(options.ApiKey) is { } hash)
            specs.Insert(0, new ClientKeySpec { Name = "api-key", Hash = hash });
        _clients = [.. specs.Select(spec => new ClientIdentity(new ClientAccount(spec, clock)))];
        _admin = BearerKey.HashOf(options.AdminApiKey);
        _rankToken = BearerKey.HashOf(options.RankToken);
    }

    public bool AsksClients => _clients.Length > 0;
    public bool HasAdmin => _admin is not null;

    public bool IsAdmin(HttpRequest request) => _admin is not null && BearerKey.Matches(request, _admin);

    /// <summary>Whether the request may register and query rooms: it has the rank token, or none is configured.</summary>
    public bool MayUseRooms(HttpRequest request) => _rankToken is null || BearerKey.Matches(request, _rankToken);

    /// <summary>The client or the admin. A key that is both counts as the client's, which has limits.</summary>
    /// <returns>Null if the key is missing or unknown.</returns>
    public ClientIdentity? IdentityOf(HttpRequest request)
    {
        if ((_clients.Length == 0 && _admin is null) || BearerKey.HeaderOf(request) is not { } header)
            return null;
        // State of one connection, or of one stream of HTTP/2: no other request uses it at the same time.
        var connection = request.HttpContext.Features.Get<IPersistentStateFeature>()?.State;
        if (connection is not null && connection.TryGetValue(this, out var last) && last is Accepted accepted
            && ReferenceEquals(accepted.Header, header))
        {
            return accepted.Identity;
        }
        var identity = Find(header);
        if (identity is not null && connection is not null)
            connection[this] = new Accepted(header, identity);
        return identity;
    }

    private ClientIdentity? Find(string header)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        if (!BearerKey.TryHash(header, given))
            return null;
        var found = _admin is not null && CryptographicOperations.FixedTimeEquals(given, _admin) ? _adminIdentity : null;
        ClientIdentity? client = null;
        foreach (var identity in _clients)
            client = CryptographicOperations.FixedTimeEquals(given, identity.Account!.Spec.Hash.Span) ? identity : client;
        return client ?? found;
    }

    /// <summary>The last accepted header of a connection.</summary>
    private sealed record Accepted(string Header, ClientIdentity Identity);
}
