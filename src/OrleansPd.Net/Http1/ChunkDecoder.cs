namespace OrleansPd.Net.Http1;

/// <summary>
/// Takes the chunk framing out of a body, in place, whatever the pieces it arrives in. A value: keep one for each body.
/// </summary>
internal struct ChunkDecoder
{
    /// <summary>Longest chunk header or trailer part that is borne; engines send some 5 bytes.</summary>
    private const int MaxLine = 4096;

    private long _left;
    private int _lineLength;
    private State _state;

    private enum State : byte
    {
        SizeStart,
        Size,
        Extension,
        SizeEnd,
        Data,
        DataReturn,
        DataEnd,
        TrailerStart,
        Trailer,
        TrailerEnd,
        LastEnd,
        Done,
        Wrong,
    }

    /// <summary>The last chunk and its end were seen.</summary>
    public readonly bool IsDone => _state == State.Done;

    public readonly bool IsWrong => _state == State.Wrong;

    /// <summary>Moves the content in these bytes to their start.</summary>
    /// <param name="bytes">What came; its front holds the content afterwards.</param>
    /// <param name="consumed">How much was read: less than all only behind the end or where something is wrong.</param>
    /// <returns>Length of the content.</returns>
    public int Decode(Span<byte> bytes, out int consumed)
    {
        var at = 0;
        var written = 0;
        while (at < bytes.Length && _state < State.Done)
        {
            if (_state == State.Data)
            {
                var part = (int)Math.Min(_left, bytes.Length - at);
                if (written != at)
                {
                    bytes.Slice(at, part).CopyTo(bytes[written..]);
                }
                written += part;
                at += part;
                _left -= part;
                if (_left == 0)
                {
                    _state = State.DataReturn;
                }
                continue;
            }
            _state = Step(bytes[at++]);
        }
        consumed = at;
        return written;
    }

    private State Step(byte next)
    {
        switch (_state)
        {
            case State.SizeStart:
                _left = HexOf(next);
                _lineLength = 1;
                return _left >= 0 ? State.Size : State.Wrong;
            case State.Size:
                if (HexOf(next) is >= 0 and var digit)
                {
                    _left = (_left << 4) | (uint)digit;
                    // 15 digits: no length can wrap around.
                    return ++_lineLength <= 15 ? State.Size : State.Wrong;
                }
                return next switch
                {
                    (byte)'\r' => State.SizeEnd,
                    (byte)';' or (byte)' ' or (byte)'\t' => State.Extension,
                    _ => State.Wrong,
                };
            case State.Extension:
                return next == '\r' ? State.SizeEnd : next != '\n' && ++_lineLength <= MaxLine ? State.Extension : State.Wrong;
            case State.SizeEnd:
                _lineLength = 0;
                return next != '\n' ? State.Wrong : _left > 0 ? State.Data : State.TrailerStart;
            case State.DataReturn:
                return next == '\r' ? State.DataEnd : State.Wrong;
            case State.DataEnd:
                return next == '\n' ? State.SizeStart : State.Wrong;
            case State.TrailerStart:
                return next == '\r' ? State.LastEnd : next != '\n' && ++_lineLength <= MaxLine ? State.Trailer : State.Wrong;
            case State.Trailer:
                return next == '\r' ? State.TrailerEnd : next != '\n' && ++_lineLength <= MaxLine ? State.Trailer : State.Wrong;
            case State.TrailerEnd:
                return next == '\n' ? State.TrailerStart : State.Wrong;
            default:
                return next == '\n' ? State.Done : State.Wrong;
        }
    }

    private static int HexOf(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
