namespace OrleansPd.Net.Http1;

/// <summary>
/// Removes the chunk framing from a body, in place. The body may arrive in pieces of any size. A value: keep one for each body.
/// </summary>
internal struct ChunkDecoder
{
    /// <summary>Maximum bytes of a chunk header or of the trailers. Engines send about 5.</summary>
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
        Malformed,
    }

    public readonly bool IsDone => _state == State.Done;
    public readonly bool IsMalformed => _state == State.Malformed;

    /// <summary>Moves the content of these bytes to their front.</summary>
    /// <param name="bytes">Received bytes.</param>
    /// <param name="consumed">Bytes that were decoded: fewer than all only behind the end of the body or at a malformed
    /// byte.</param>
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
                    bytes.Slice(at, part).CopyTo(bytes[written..]);
                written += part;
                at += part;
                _left -= part;
                if (_left == 0)
                    _state = State.DataReturn;
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
                return _left >= 0 ? State.Size : State.Malformed;
            case State.Size:
                if (HexOf(next) is >= 0 and var digit)
                {
                    _left = (_left << 4) | (uint)digit;
                    // At most 15 digits, so that the length cannot overflow.
                    return ++_lineLength <= 15 ? State.Size : State.Malformed;
                }
                return next switch
                {
                    (byte)'\r' => State.SizeEnd,
                    (byte)';' or (byte)' ' or (byte)'\t' => State.Extension,
                    _ => State.Malformed,
                };
            case State.Extension:
                return next == '\r' ? State.SizeEnd : MayContinue(next) ? State.Extension : State.Malformed;
            case State.SizeEnd:
                _lineLength = 0;
                return next != '\n' ? State.Malformed : _left > 0 ? State.Data : State.TrailerStart;
            case State.DataReturn:
                return next == '\r' ? State.DataEnd : State.Malformed;
            case State.DataEnd:
                return next == '\n' ? State.SizeStart : State.Malformed;
            case State.TrailerStart:
                return next == '\r' ? State.LastEnd : MayContinue(next) ? State.Trailer : State.Malformed;
            case State.Trailer:
                return next == '\r' ? State.TrailerEnd : MayContinue(next) ? State.Trailer : State.Malformed;
            case State.TrailerEnd:
                return next == '\n' ? State.TrailerStart : State.Malformed;
            default:
                return next == '\n' ? State.Done : State.Malformed;
        }
    }

    private bool MayContinue(byte next) => next != '\n' && ++_lineLength <= MaxLine;

    private static int HexOf(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
