namespace OrleansPd.Net.Http1;

/// <summary>Finds the end of one response body by its framing. A value: keep one for each response.</summary>
internal struct BodyFramer(BodyFraming framing, long length)
{
    private readonly BodyFraming _framing = framing;
    private ChunkDecoder _chunks;
    private long _left = length;

    public bool IsDone { get; private set; } = framing == BodyFraming.None;
    public readonly bool IsMalformed => _chunks.IsMalformed;

    /// <summary>The end of the connection is the end of the body.</summary>
    public readonly bool EndsWithConnection => _framing == BodyFraming.UntilClose;

    /// <summary>Limits a buffer to the rest of a body of known length: nothing may be awaited behind it.</summary>
    public readonly Memory<byte> Limit(Memory<byte> buffer) =>
        _framing == BodyFraming.Length && _left < buffer.Length ? buffer[..(int)_left] : buffer;

    /// <summary>Removes the framing from received bytes, in place.</summary>
    /// <param name="bytes">Received bytes; the content lies at their front afterwards.</param>
    /// <param name="consumed">Bytes that belong to this body. Fewer than all only behind its end.</param>
    /// <returns>Length of the content.</returns>
    public int Decode(Span<byte> bytes, out int consumed)
    {
        switch (_framing)
        {
            case BodyFraming.Length:
                consumed = (int)Math.Min(bytes.Length, _left);
                _left -= consumed;
                IsDone = _left == 0;
                return consumed;
            case BodyFraming.Chunked:
                var content = _chunks.Decode(bytes, out consumed);
                IsDone = _chunks.IsDone;
                return content;
            default:
                consumed = bytes.Length;
                return consumed;
        }
    }
}
