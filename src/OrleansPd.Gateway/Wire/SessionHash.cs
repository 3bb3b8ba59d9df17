namespace OrleansPd.Gateway.Wire;

/// <summary>
/// A stable 64-bit hash (FNV-1a) of a session key: equal in all processes, so that all gateways send it to one place. Never 0.
/// </summary>
internal static class SessionHash
{
    public static ulong Of(string key) => Of(Encoding.UTF8.GetBytes(key));

    public static ulong Of(ReadOnlySpan<byte> key)
    {
        var hash = 14695981039346656037UL;
        foreach (var b in key)
            hash = (hash ^ b) * 1099511628211UL;
        return hash == 0 ? 1 : hash;
    }
}
