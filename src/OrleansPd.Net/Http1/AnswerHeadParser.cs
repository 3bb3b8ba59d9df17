using System.Buffers.Text;

namespace OrleansPd.Net.Http1;

/// <summary>How the end of a response body is found.</summary>
internal enum BodyFraming : byte
{
    None,

    Length,

    /// <summary>By a chunk of length 0.</summary>
    Chunked,

    /// <summary>By the end of the connection.</summary>
    UntilClose,
}

/// <summary>The parts of a response head that are used. Header values are ranges of the parsed bytes.</summary>
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
/// Parses the head of an HTTP/1.1 response in place. Strict where the framing depends on it: a response whose end is ambiguous is
/// rejected, as the next response on the connection could then be taken for another request's.
/// </summary>
internal static class AnswerHeadParser
{
    /// <summary>Length of the head including its blank line; 0 while it is incomplete.</summary>
    public static int EndOf(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf("\r\n\r\n"u8);
        return end < 0 ? 0 : end + 4;
    }

    /// <param name="head">A whole head with its blank line.</param>
    /// <param name="lines">The parsed parts.</param>
    /// <returns>Null, or the reason why the head is rejected.</returns>
    public static string? Parse(ReadOnlySpan<byte> head, out AnswerLines lines)
    {
        lines = new AnswerLines { RetryAfterSeconds = -1 };
        var end = head.IndexOf("\r\n"u8);
        if (!ParseStatus(head[..end], ref lines, out var isOld))
            return "the first line is not that of an HTTP/1.1 answer";
        var framing = new FramingHeaders { Close = isOld };
        var at = end + 2;
        while (at < head.Length - 2)
        {
            var line = head[at..];
            line = line[..line.IndexOf("\r\n"u8)];
            var colon = line.IndexOf((byte)':');
            if (colon <= 0 || line[..colon].ContainsAny(" \t\r\n\0"u8) || line.ContainsAny("\r\n\0"u8))
                return "a header line is malformed";
            var name = line[..colon];
            var value = line[(colon + 1)..].Trim(" \t"u8);
            switch (colon)
            {
                case 10 when Is(name, "connection"u8):
                    framing.Close |= HasToken(value, "close"u8);
                    framing.Close &= !(isOld && HasToken(value, "keep-alive"u8));
                    break;
                case 11 when Is(name, "retry-after"u8):
                    if (Utf8Parser.TryParse(value, out int seconds, out var digits) && digits == value.Length && seconds >= 0)
                        lines.RetryAfterSeconds = seconds;
                    break;
                case 12 when Is(name, "content-type"u8):
                    lines.HasContentType = true;
                    var start = at + line.Length - line[(colon + 1)..].TrimStart(" \t"u8).Length;
                    lines.ContentType = new Range(start, start + value.Length);
                    break;
                case 14 when Is(name, "content-length"u8) && !framing.AddLength(value):
                    return "its length is malformed or ambiguous";
                case 17 when Is(name, "transfer-encoding"u8) && !framing.AddEncoding(value):
                    return "it has several transfer encodings";
            }
            at += line.Length + 2;
        }
        return framing.Apply(ref lines);
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

    private static bool HasToken(ReadOnlySpan<byte> list, ReadOnlySpan<byte> token)
    {
        foreach (var part in list.Split((byte)','))
        {
            if (Ascii.EqualsIgnoreCase(list[part].Trim(" \t"u8), token))
                return true;
        }
        return false;
    }

    private static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> wanted) => Ascii.EqualsIgnoreCase(name, wanted);

    /// <summary>The headers that decide where the body ends.</summary>
    private ref struct FramingHeaders
    {
        private long? _length;
        private bool _chunked;
        private bool _unknownEncoding;

        public bool Close { get; set; }

        /// <summary>False where the length is no number, or differs from an earlier one.</summary>
        public bool AddLength(ReadOnlySpan<byte> value)
        {
            if (value.Length is 0 or > 18 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9')
                || !Utf8Parser.TryParse(value, out long length, out _) || (_length is { } earlier && earlier != length))
            {
                return false;
            }
            _length = length;
            return true;
        }

        /// <summary>False where an encoding was given before.</summary>
        public bool AddEncoding(ReadOnlySpan<byte> value)
        {
            if (_chunked || _unknownEncoding)
                return false;
            _chunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
            _unknownEncoding = !_chunked && !Ascii.EqualsIgnoreCase(value, "identity"u8);
            return true;
        }

        /// <returns>Null, or the reason why the head is rejected.</returns>
        public readonly string? Apply(ref AnswerLines lines)
        {
            if (_unknownEncoding)
                return "its transfer encoding is not known";
            if (_chunked && _length is not null)
                return "it has a length and chunks";
            lines.Framing = lines.Status is < 200 or 204 or 304 ? BodyFraming.None
                : _chunked ? BodyFraming.Chunked
                : _length is null ? BodyFraming.UntilClose
                : _length == 0 ? BodyFraming.None : BodyFraming.Length;
            lines.Length = _length ?? 0;
            lines.MayReuse = !Close && lines.Framing != BodyFraming.UntilClose;
            return null;
        }
    }
}
