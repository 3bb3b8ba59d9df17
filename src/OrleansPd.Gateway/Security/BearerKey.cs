using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// Keys as SHA-256 hashes. A given key is hashed and compared in constant time: hashes have one length, so the time tells neither
/// how much of a key was right nor how long it is.
/// </summary>
internal static class BearerKey
{
    private const string Scheme = "Bearer ";

    /// <summary>The hash of a configured key; null where none is configured.</summary>
    public static byte[]? HashOf(string? key)
    {
        if (string.IsNullOrEmpty(key))
        {
            return null;
        }
        var hash = new byte[SHA256.HashSizeInBytes];
        Hash(key, hash);
        return hash;
    }

    /// <summary>The header <c>Authorization</c>; null where there is none, or more than one.</summary>
    public static string? HeaderOf(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        return header.Count == 1 ? header.ToString() : null;
    }

    /// <summary>Whether the request brings the key of this hash.</summary>
    public static bool Matches(HttpRequest request, ReadOnlySpan<byte> expected)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        return HeaderOf(request) is { } header && TryHash(header, given)
            && CryptographicOperations.FixedTimeEquals(given, expected);
    }

    /// <summary>Hashes the key in a header; false where it has no <c>Bearer</c> scheme.</summary>
    public static bool TryHash(string header, Span<byte> hash)
    {
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        Hash(header.AsSpan(Scheme.Length).Trim(), hash);
        return true;
    }

    private static void Hash(ReadOnlySpan<char> key, Span<byte> hash)
    {
        var most = Encoding.UTF8.GetMaxByteCount(key.Length);
        var bytes = most <= 1024 ? stackalloc byte[most] : new byte[most];
        _ = SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
    }
}
