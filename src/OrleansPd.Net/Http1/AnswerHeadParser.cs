using System.Buffers.Text;
using System.Text;

namespace OrleansPd.Net.Http1;

/// <summary>How the body of an answer ends.</summary>
internal enum BodyFraming : byte
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>After a length that was told.</summary>
    Length,

    /// <summary>With a chunk of length 0.</summary>
    Chunked,

    /// <summary>With the connection.</summary>
    UntilClose,
}

/// <summary>
/// What the head of an answer says, as far as it matters. Header values are ranges of the bytes that were parsed.
/// </summary>
internal struct AnswerLines
{
    public int Status;
    public BodyFraming Framing;
    public long Length;
    public bool MayReuse;
    public Range ContentType;
    public bool HasContentType;
    public int RetryAfterSeconds;
}

/// <summary>
/// Reads the head of an HTTP/1.1 answer where it lies. Strict where framing depends on it: an answer whose end is open to two
/// readings is refused, as the next answer on the connection could then be another's.
/// </summary>
internal static class AnswerHeadParser
{
    /// <summary>Length of the head with its blank line; 0 while it is not whole.</summary>
    public static int EndOf(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf("\r\n\r\n"u8);
        return end < 0 ? 0 : end + 4;
    }

    /// <param name="head">A whole head with its blank line.</param>
    /// <param name="lines">What it says.</param>
    /// <returns>Null, or what is wrong.</returns>
    public static string? Parse(ReadOnlySpan<byte> head, out AnswerLines lines)
    {
        lines = new AnswerLines { RetryAfterSeconds = -1 };
        var end = head.IndexOf("\r\n"u8);
        if (!ParseStatus(head[..end], ref lines, out var isOld))
        {
            return "the first line is not that of an HTTP/1.1 answer";
        }
        long? length = null;
        var chunked = false;
        var coded = false;
        var close = isOld;
        var at = end + 2;
        while (at < head.Length - 2)
        {
            var line = head[at..];
            line = line[..line.IndexOf("\r\n"u8)];
            var colon = line.IndexOf((byte)':');
            if (colon <= 0 || line[..colon].ContainsAny(" \t\r\n\0"u8) || line.ContainsAny("\r\n\0"u8))
            {
                return "a header line is malformed";
            }
            var name = line[..colon];
            var value = line[(colon + 1)..].Trim(" \t"u8);
            switch (colon)
            {
                case 10 when Is(name, "connection"u8):
                    close |= HasToken(value, "close"u8);
                    close &= !(isOld && HasToken(value, "keep-alive"u8));
                    break;
                case 11 when Is(name, "retry-after"u8):
                    if (Utf8Parser.TryParse(value, out int seconds, out var digits) && digits == value.Length && seconds >= 0)
                    {
                        lines.RetryAfterSeconds = seconds;
                    }
                    break;
                case 12 when Is(name, "content-type"u8):
                    lines.HasContentType = true;
                    var start = at + line.Length - line[(colon + 1)..].TrimStart(" \t"u8).Length;
                    lines.ContentType = new Range(start, start + value.Length);
                    break;
                case 14 when Is(name, "content-length"u8):
                    if (!TryReadLength(value, out var told) || (length is { } before && before != told))
                    {
                        return "its length cannot be told";
                    }
                    length = told;
                    break;
                case 17 when Is(name, "transfer-encoding"u8):
                    if (chunked || coded)
                    {
                        return "it has several transfer encodings";
                    }
                    chunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
                    coded = !chunked && !Ascii.EqualsIgnoreCase(value, "identity"u8);
                    break;
            }
            at += line.Length + 2;
        }
        if (coded)
        {
            return "its transfer encoding is not known";
        }
        if (chunked && length is not null)
        {
            return "it has a length and chunks";
        }
        lines.Framing = lines.Status is < 200 or 204 or 304 ? BodyFraming.None
            : chunked ? BodyFraming.Chunked
            : length is null ? BodyFraming.UntilClose
            : length == 0 ? BodyFraming.None : BodyFraming.Length;
        lines.Length = length ?? 0;
        lines.MayReuse = !close && lines.Framing != BodyFraming.UntilClose;
        return null;
    }

    private static bool ParseStatus(ReadOnlySpan<byte> line, ref AnswerLines lines, out bool isOld)
    {
        isOld = line.StartsWith("HTTP/1.0 "u8);
        if ((!isOld && !line.StartsWith("HTTP/1.1 "u8)) || line.Length < 12 || (line.Length > 12 && line[12] != ' ')
            || line.ContainsAny("\r\n\0"u8))
        {
            return false;
        }
        return Utf8Parser.TryParse(line.Slice(9, 3), out lines.Status, out var digits) && digits == 3
            && lines.Status is >= 100 and <= 999;
    }

    private static bool TryReadLength(ReadOnlySpan<byte> value, out long length)
    {
        length = 0;
        return value.Length is > 0 and <= 18 && !value.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && Utf8Parser.TryParse(value, out length, out _);
    }

    private static bool HasToken(ReadOnlySpan<byte> list, ReadOnlySpan<byte> token)
    {
        foreach (var part in list.Split((byte)','))
        {
            if (Ascii.EqualsIgnoreCase(list[part].Trim(" \t"u8), token))
            {
                return true;
            }
        }
        return false;
    }

    private static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> wanted) => Ascii.EqualsIgnoreCase(name, wanted);
}
