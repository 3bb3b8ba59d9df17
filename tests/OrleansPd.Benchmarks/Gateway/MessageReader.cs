using System.Buffers.Text;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// Reads HTTP/1.1 messages of either direction: a head, then a body by length or in chunks. Whatever is not plainly right is an
/// error: this is a check of what is measured, not a server.
/// </summary>
/// <param name="sink">Told of what was read.</param>
internal sealed class MessageReader(IMessageSink sink)
{
    private byte[] _kept = [];
    private long _bodyLeft;
    private Phase _phase;

    private enum Phase
    {
        Head,
        Body,
        ChunkSize,
        ChunkEnd,
        Trailer,
    }

    /// <summary>A message has begun and not ended.</summary>
    public bool IsInside => _phase != Phase.Head || _kept.Length > 0;

    /// <summary>Reads bytes as they came.</summary>
    /// <returns>False: not HTTP as it should be.</returns>
    public bool Read(ReadOnlySpan<byte> bytes)
    {
        if (_kept.Length > 0)
        {
            bytes = (byte[])[.. _kept, .. bytes];
            _kept = [];
        }
        while (!bytes.IsEmpty)
        {
            if (_phase == Phase.Body)
            {
                var part = bytes[..(int)Math.Min(bytes.Length, _bodyLeft)];
                bytes = bytes[part.Length..];
                _bodyLeft -= part.Length;
                sink.Body(part);
                if (_bodyLeft == 0)
                {
                    if (_chunked)
                    {
                        _phase = Phase.ChunkEnd;
                    }
                    else
                    {
                        _phase = Phase.Head;
                        sink.End();
                    }
                }
                continue;
            }
            var end = _phase == Phase.Head ? bytes.IndexOf("\r\n\r\n"u8) : bytes.IndexOf("\r\n"u8);
            if (end < 0)
            {
                _kept = bytes.ToArray();
                return _kept.Length < 32 * 1024;
            }
            var line = bytes[..end];
            bytes = bytes[(end + (_phase == Phase.Head ? 4 : 2))..];
            if (!ReadLine(line))
                return false;
        }
        return true;
    }

    private bool _chunked;

    private bool ReadLine(ReadOnlySpan<byte> line)
    {
        switch (_phase)
        {
            case Phase.Head:
                return ReadHead(line);
            case Phase.ChunkEnd:
                _phase = Phase.ChunkSize;
                return line.IsEmpty;
            case Phase.ChunkSize:
                if (!Utf8Parser.TryParse(line, out _bodyLeft, out var used, 'x') || used != line.Length)
                    return false;
                _phase = _bodyLeft == 0 ? Phase.Trailer : Phase.Body;
                return true;
            default:
                _phase = Phase.Head;
                sink.End();
                return line.IsEmpty;
        }
    }

    private bool ReadHead(ReadOnlySpan<byte> head)
    {
        var first = head.IndexOf("\r\n"u8);
        sink.Head(first < 0 ? head : head[..first]);
        _bodyLeft = 0;
        _chunked = false;
        while (first >= 0)
        {
            head = head[(first + 2)..];
            first = head.IndexOf("\r\n"u8);
            var header = first < 0 ? head : head[..first];
            if (Is(header, "content-length:"u8))
            {
                if (!Utf8Parser.TryParse(header[15..].Trim((byte)' '), out _bodyLeft, out _))
                    return false;
            }
            else if (Is(header, "transfer-encoding:"u8))
            {
                _chunked = header[18..].Trim((byte)' ').SequenceEqual("chunked"u8);
            }
        }
        _phase = _chunked ? Phase.ChunkSize : Phase.Body;
        if (!_chunked && _bodyLeft == 0)
        {
            _phase = Phase.Head;
            sink.End();
        }
        return true;
    }

    private static bool Is(ReadOnlySpan<byte> header, ReadOnlySpan<byte> name) =>
        header.Length > name.Length && (header[0] | 0x20) == name[0] && header[name.Length - 1] == ':'
        && System.Text.Ascii.EqualsIgnoreCase(header[..name.Length], name);
}

internal interface IMessageSink
{
    /// <summary>The first line.</summary>
    void Head(ReadOnlySpan<byte> line);

    void Body(ReadOnlySpan<byte> part);

    void End();
}
