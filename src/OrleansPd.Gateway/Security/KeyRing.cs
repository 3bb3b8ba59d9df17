using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// The keys that open this gateway, kept as hashes. A given key is hashed and compared with every one of them in constant time:
/// how long that takes tells neither which one it was near to nor how many characters were right.
/// </summary>
/// <remarks>
/// A connection that shows the very header again that opened the gateway before is let through without: the web server gives
/// the same string object for a header that is byte for byte that of the connection's request before, and only the object is
/// compared, never text, so its time tells nothing but what the answer says. It takes a sender who has shown the whole key on
/// that connection. The connection holds that one string until another key opens or it is closed; the web server holds the
/// latest one too. What did not open is not held, and keys are fixed for as long as this object lives.
/// </remarks>
internal sealed class KeyRing
{
    private const string Scheme = "Bearer ";
    private readonly ClientIdentity[] _clients;
    private readonly byte[]? _admin;
    private readonly ClientIdentity _adminIdentity = new(null);

    public KeyRing(GatewayOptions options, TimeProvider clock)
    {
        var specs = options.ClientKeys.Select(ClientKeySpec.Parse).ToList();
        if (!string.IsNullOrEmpty(options.ApiKey))
        {
            specs.Insert(0, new ClientKeySpec { Name = "api-key", Hash = Hash(options.ApiKey) });
        }
        _clients = [.. specs.Select(spec => new ClientIdentity(new ClientAccount(spec, clock)))];
        _admin = string.IsNullOrEmpty(options.AdminApiKey) ? null : Hash(options.AdminApiKey);
    }

    /// <summary>Whether clients need a key at all.</summary>
    public bool AsksClients => _clients.Length > 0;

    public bool HasAdmin => _admin is not null;

    public bool IsAdmin(HttpRequest request)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        return _admin is not null && HeaderOf(request) is { } header && TryHash(header, given)
            && CryptographicOperations.FixedTimeEquals(given, _admin);
    }

    /// <summary>A client's, or the admin's: of a key that is both, the client's, as that one has limits.</summary>
    /// <returns>Null where the key is none of ours.</returns>
    public ClientIdentity? IdentityOf(HttpRequest request)
    {
        if ((_clients.Length == 0 && _admin is null) || HeaderOf(request) is not { } header)
        {
            return null;
        }
        // Of one connection, or of one stream of HTTP/2: nobody else is at it now.
        var connection = request.HttpContext.Features.Get<IPersistentStateFeature>()?.State;
        if (connection is not null && connection.TryGetValue(this, out var last) && last is Shown shown && shown.IsBy(header))
        {
            return shown.Pass;
        }
        var pass = Find(header);
        if (pass is not null && connection is not null)
        {
            connection[this] = new Shown(header, pass);
        }
        return pass;
    }

    private ClientIdentity? Find(string header)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        if (!TryHash(header, given))
        {
            return null;
        }
        var found = _admin is not null && CryptographicOperations.FixedTimeEquals(given, _admin) ? _adminIdentity : null;
        ClientIdentity? client = null;
        foreach (var pass in _clients)
        {
            client = CryptographicOperations.FixedTimeEquals(given, pass.Account!.Spec.Hash.Span) ? pass : client;
        }
        return client ?? found;
    }

    private static string? HeaderOf(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        return header.Count == 1 ? header.ToString() : null;
    }

    private static bool TryHash(string header, Span<byte> hash)
    {
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        Hash(header.AsSpan(Scheme.Length).Trim(), hash);
        return true;
    }

    private static byte[] Hash(string key)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        Hash(key, hash);
        return hash;
    }

    private static void Hash(ReadOnlySpan<char> key, Span<byte> hash)
    {
        var most = Encoding.UTF8.GetMaxByteCount(key.Length);
        var bytes = most <= 1024 ? stackalloc byte[most] : new byte[most];
        _ = SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
    }

    /// <summary>The header that opened the gateway last on a connection.</summary>
    private sealed class Shown(string header, ClientIdentity pass)
    {
        public ClientIdentity Pass => pass;

        public bool IsBy(string other) => ReferenceEquals(header, other);
    }
}
