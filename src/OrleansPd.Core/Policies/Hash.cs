namespace OrleansPd.Core.Policies;

/// <summary>Hashes that are the same in every process and release.</summary>
internal static class Hash
{
    public static ulong Mix(ulong x)
    {
        x += 0x9E37_79B9_7F4A_7C15UL;
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return x ^ (x >> 31);
    }

    /// <summary>FNV-1a over UTF-16 units.</summary>
    public static ulong Of(string text)
    {
        var hash = 0xCBF2_9CE4_8422_2325UL;
        foreach (var c in text)
            hash = (hash ^ c) * 0x100_0000_01B3UL;
        return Mix(hash);
    }
}
