using System.Text.Encodings.Web;

namespace OrleansPd.Engines.Requests;

/// <summary>Writes JSON that the gateway produces: tokens, and options for <see cref="Utf8JsonWriter"/>.</summary>
internal static class JsonWriting
{
    /// <summary>Escapes only what JSON requires, as engines do: bodies and events are not HTML.</summary>
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a string token and escapes only what JSON requires.</summary>
    /// <param name="value">The string.</param>
    /// <param name="target">At least 2 bytes, and 6 more for each char.</param>
    /// <returns>Bytes written.</returns>
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
