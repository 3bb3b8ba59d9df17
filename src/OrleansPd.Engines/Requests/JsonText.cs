using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace OrleansPd.Engines.Requests;

/// <summary>Reads strings with escapes, integers and booleans from the raw text of one value.</summary>
internal static class JsonText
{
    /// <summary>Decodes a string token, quotes included. False for other tokens and for lone surrogates.</summary>
    public static bool TryGetString(ReadOnlySpan<byte> token, [NotNullWhen(true)] out string? value)
    {
        value = null;
        if (token.Length < 2 || token[0] != '"' || token[^1] != '"')
            return false;
        var raw = token[1..^1];
        if (!raw.Contains((byte)'\\'))
        {
            value = Encoding.UTF8.GetString(raw);
            return true;
        }
        var buffer = ArrayPool<byte>.Shared.Rent(raw.Length);
        var good = TryUnescape(raw, buffer, out var length);
        if (good)
            value = Encoding.UTF8.GetString(buffer, 0, length);
        ArrayPool<byte>.Shared.Return(buffer);
        return good;
    }

    /// <summary>Compares a raw key (between its quotes) with a name.</summary>
    public static bool KeyIs(ReadOnlySpan<byte> key, ReadOnlySpan<byte> name)
    {
        if (key.SequenceEqual(name))
            return true;
        if (key.Length <= name.Length || key.Length > 192 || !key.Contains((byte)'\\'))
            return false;
        Span<byte> plain = stackalloc byte[192];
        return TryUnescape(key, plain, out var length) && plain[..length].SequenceEqual(name);
    }

    /// <summary>Removes the escapes; the result is never longer than the input. False for a lone surrogate.</summary>
    public static bool TryUnescape(ReadOnlySpan<byte> raw, Span<byte> target, out int length)
    {
        length = 0;
        while (true)
        {
            var plain = raw.IndexOf((byte)'\\');
            if (plain < 0)
                plain = raw.Length;
            raw[..plain].CopyTo(target[length..]);
            length += plain;
            raw = raw[plain..];
            if (raw.IsEmpty)
                return true;
            if (raw.Length < 2)
                return false;
            if (raw[1] != 'u')
            {
                target[length++] = raw[1] switch
                {
                    (byte)'b' => 8,
                    (byte)'f' => 12,
                    (byte)'n' => 10,
                    (byte)'r' => 13,
                    (byte)'t' => 9,
                    var other => other,
                };
                raw = raw[2..];
                continue;
            }
            if (!TryReadUnit(raw, out var unit))
                return false;
            raw = raw[6..];
            Rune rune;
            if (char.IsHighSurrogate(unit))
            {
                if (!TryReadUnit(raw, out var low) || !Rune.TryCreate(unit, low, out rune))
                    return false;
                raw = raw[6..];
            }
            else if (!Rune.TryCreate(unit, out rune))
            {
                return false;
            }
            length += rune.EncodeToUtf8(target[length..]);
        }
    }

    /// <summary>Reads a JSON integer: no fraction, no exponent, no quotes, 64 bits. 2.0 and 1e0 are not integers.</summary>
    public static bool TryGetInteger(ReadOnlySpan<byte> token, out long value) =>
        Utf8Parser.TryParse(token, out value, out var used) && used == token.Length && token[0] != '+';

    public static bool IsString(ReadOnlySpan<byte> token) => token is [(byte)'"', ..];

    public static bool IsNull(ReadOnlySpan<byte> token) => token is [(byte)'n', ..];

    public static bool IsTrue(ReadOnlySpan<byte> token) => token is [(byte)'t', ..];

    public static bool IsBoolean(ReadOnlySpan<byte> token) => token is [(byte)'t' or (byte)'f', ..];

    private static bool TryReadUnit(ReadOnlySpan<byte> raw, out char unit)
    {
        unit = default;
        if (raw.Length < 6 || raw[0] != '\\' || raw[1] != 'u')
            return false;
        var value = 0;
        foreach (var digit in raw.Slice(2, 4))
        {
            var nibble = HexValue(digit);
            if (nibble < 0)
                return false;
            value = value << 4 | nibble;
        }
        unit = (char)value;
        return true;
    }

    public static int HexValue(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
