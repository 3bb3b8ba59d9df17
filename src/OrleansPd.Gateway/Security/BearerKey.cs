using System.Security.Cryptography;

namespace OrleansPd.Gateway.Security;

/// <summary>
/// Keys as SHA-256 hashes. Hashes are compared in constant time, so the timing reveals neither a matching prefix nor the length
/// of a key.
/// </summary>
internal static class BearerKey
{
    private const string Scheme = "Bearer ";

    /// <summary>The hash of a configured key; null if none is configured.</summary>
    public static byte[]? HashOf(string? key)
    {
        if (string.IsNullOrEmpty(key))
            return null;
        var hash = new byte[SHA256.HashSizeInBytes];
        Hash(key, hash);
        return hash;
    }

    /// <summary>The header <c>Authorization</c>; null if there is none or more than one.</summary>
    public static string? HeaderOf(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        return header.Count == 1 ? header.ToString() : null;
    }

    public static bool Matches(HttpRequest request, ReadOnlySpan<byte> expected)
    {
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        return HeaderOf(request) is { } header && TryHash(header, given)
            && CryptographicOperations.FixedTimeEquals(given, expected);
    }

    /// <summary>Hashes the key in a header; false if it has no <c>Bearer</c> scheme.</summary>
    public static bool TryHash(string header, Span<byte> hash)
    {
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return false;
        Hash(header.AsSpan(Scheme.Length).Trim(), hash);
        return true;
    }

    private static void Hash(ReadOnlySpan<char> key, Span<byte> hash)
    {
        var max = Encoding.UTF8.GetMaxByteCount(key.Length);
        var bytes = max <= 1024 ? stackalloc byte[max] : new byte[max];
        _ = SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
    }
}
