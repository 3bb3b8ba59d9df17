using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Gateway.Security;

/// <summary>The keys that open this gateway, kept as hashes, see <see cref="BearerKey"/>.</summary>
/// <remarks>
/// A header that opened the gateway is not hashed again on the same connection: Kestrel reuses the string object of a header that
/// equals, byte for byte, that of the connection's last request, and only the reference is compared here, so the time tells
/// nothing about the key. The connection keeps that one string until another key opens or it is closed; Kestrel keeps the latest
/// one too. A header that did not open is not kept, and keys never change while this object lives.
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
        {
            specs.Insert(0, new ClientKeySpec { Name = "api-key", Hash = hash });
        }
        _clients = [.. specs.Select(spec => new ClientIdentity(new ClientAccount(spec, clock)))];
        _admin = BearerKey.HashOf(options.AdminApiKey);
        _rankToken = BearerKey.HashOf(options.RankToken);
    }

    /// <summary>Whether clients need a key at all.</summary>
    public bool AsksClients => _clients.Length > 0;

    public bool HasAdmin => _admin is not null;

    public bool IsAdmin(HttpRequest request) => _admin is not null && BearerKey.Matches(request, _admin);

    /// <summary>Whether the request may register and query rooms: it brings the rank token, or none is configured.</summary>
    public bool MayUseRooms(HttpRequest request) => _rankToken is null || BearerKey.Matches(request, _rankToken);

    /// <summary>The client, or the admin; a key that is both counts as the client's, which has limits.</summary>
    /// <returns>Null where the key is not one of ours.</returns>
    public ClientIdentity? IdentityOf(HttpRequest request)
    {
        if ((_clients.Length == 0 && _admin is null) || BearerKey.HeaderOf(request) is not { } header)
        {
            return null;
        }
        // State of one connection, or of one stream of HTTP/2: no other request uses it at the same time.
        var connection = request.HttpContext.Features.Get<IPersistentStateFeature>()?.State;
        if (connection is not null && connection.TryGetValue(this, out var last) && last is Accepted accepted
            && ReferenceEquals(accepted.Header, header))
        {
            return accepted.Identity;
        }
        var identity = Find(header);
        if (identity is not null && connection is not null)
        {
            connection[this] = new Accepted(header, identity);
        }
        return identity;
    }

    private ClientIdentity? Find(string header)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        if (!BearerKey.TryHash(header, given))
        {
            return null;
        }
        var found = _admin is not null && CryptographicOperations.FixedTimeEquals(given, _admin) ? _adminIdentity : null;
        ClientIdentity? client = null;
        foreach (var identity in _clients)
        {
            client = CryptographicOperations.FixedTimeEquals(given, identity.Account!.Spec.Hash.Span) ? identity : client;
        }
        return client ?? found;
    }

    /// <summary>The header that opened the gateway last on a connection.</summary>
    private sealed class Accepted(string header, ClientIdentity identity)
    {
        public string Header => header;

        public ClientIdentity Identity => identity;
    }
}
