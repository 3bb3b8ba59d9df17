using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// The keys that open this gateway, kept as hashes. A given key is hashed and compared with every one of them in constant time:
/// how long that takes tells neither which one it was near to nor how many characters were right.
/// </summary>
internal sealed class KeyRing
{
    private const string Scheme = "Bearer ";
    private readonly ClientAccount[] _clients;
    private readonly byte[]? _admin;

    public KeyRing(GatewayOptions options, TimeProvider clock)
    {
        var specs = options.ClientKeys.Select(ClientKeySpec.Parse).ToList();
        if (!string.IsNullOrEmpty(options.ApiKey))
        {
            specs.Insert(0, new ClientKeySpec { Name = "api-key", Hash = Hash(options.ApiKey) });
        }
        _clients = [.. specs.Select(spec => new ClientAccount(spec, clock))];
        _admin = string.IsNullOrEmpty(options.AdminApiKey) ? null : Hash(options.AdminApiKey);
    }

    /// <summary>Whether clients need a key at all.</summary>
    public bool AsksClients => _clients.Length > 0;

    public bool HasAdmin => _admin is not null;

    public bool IsAdmin(HttpRequest request) => _admin is not null && Given(request) is { } given && CryptographicOperations.FixedTimeEquals(given, _admin);

    /// <returns>Null where the key is none of a client's.</returns>
    public ClientAccount? Find(HttpRequest request)
    {
        if (_clients.Length == 0 || Given(request) is not { } given)
        {
            return null;
        }
        ClientAccount? found = null;
        foreach (var client in _clients)
        {
            found = CryptographicOperations.FixedTimeEquals(given, client.Spec.Hash.Span) ? client : found;
        }
        return found;
    }

    private static byte[]? Given(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        if (header.Count != 1)
        {
            return null;
        }
        var text = header.ToString();
        return text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? Hash(text.AsSpan(Scheme.Length).Trim()) : null;
    }

    private static byte[] Hash(ReadOnlySpan<char> key)
    {
        var most = Encoding.UTF8.GetMaxByteCount(key.Length);
        var bytes = most <= 1024 ? stackalloc byte[most] : new byte[most];
        return SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)]);
    }
}
