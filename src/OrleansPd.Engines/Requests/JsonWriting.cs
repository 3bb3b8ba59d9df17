namespace OrleansPd.Engines.Requests;

/// <summary>Writes the few JSON tokens that are ours.</summary>
internal static class JsonWriting
{
    /// <summary>Writes a string token into a span of at least 2 + 6 bytes for each char; only what must be escaped is.</summary>
    public static int WriteString(string value, Span<byte> target)
    {
        target[0] = (byte)'"';
        var length = 1;
        foreach (var rune in value.EnumerateRunes())
        {
            if (rune.Value is '"' or '\\')
            {
                target[length++] = (byte)'\\';
                target[length++] = (byte)rune.Value;
            }
            else if (rune.Value < 0x20)
            {
                "\\u00"u8.CopyTo(target[length..]);
                target[length + 4] = (byte)('0' + (rune.Value >> 4));
                target[length + 5] = (byte)"0123456789abcdef"[rune.Value & 15];
                length += 6;
            }
            else
            {
                length += rune.EncodeToUtf8(target[length..]);
            }
        }
        target[length++] = (byte)'"';
        return length;
    }
}
