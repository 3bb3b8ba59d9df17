namespace OrleansPd.Engines.Answers;

/// <summary>
/// Splits a byte stream into server-sent events, independent of its chunks. An event within one chunk is returned in place; only
/// an event across chunks is copied, into a pooled buffer that is empty between events. Lines may end
/// in LF or CR LF (a lone CR does not end a line: engines do not send it, and it could be half a CR LF). Comments,
/// <c>event:</c>, <c>id:</c> and <c>retry:</c> lines are tolerated and stay in <see cref="SseEvent.Raw"/>.
/// </summary>
/// <param name="maxEventBytes">
/// Maximum size of an event in bytes, at least 64, default 64 MiB: events of <c>/generate</c> are cumulative, and each may hold
/// the log probabilities of the whole prompt.
/// </param>
public sealed class SseFramer(int maxEventBytes = SseFramer.DefaultMaxEventBytes) : IDisposable
{
    /// <summary>The default maximum size of an event: 64 MiB.</summary>
    public const int DefaultMaxEventBytes = 64 << 20;

    private readonly int _limit = Math.Max(64, maxEventBytes);
    private byte[] _kept = [];
    private byte[] _joined = [];
    private int _keptLength;
    private LineState _line;
    private bool _handedOut;
    private bool _failed;

    private enum LineState : byte
    {
        Start,
        ReturnAtStart,
        Inside,
    }

    /// <summary>Bytes of an incomplete event. Not 0 at the end of a stream that was truncated.</summary>
    public int Pending => _handedOut ? 0 : _keptLength;

    /// <summary>Reads the next event.</summary>
    /// <param name="chunk">The bytes not read yet; advanced by the call. Call until <see cref="SseReadResult.NeedMore"/>.</param>
    /// <param name="found">The event.</param>
    public SseReadResult Read(ref ReadOnlySpan<byte> chunk, out SseEvent found)
    {
        found = default;
        if (_failed)
            return SseReadResult.TooLong;
        if (_handedOut)
            Release();
        var end = FindEnd(chunk);
        var taken = end < 0 ? chunk.Length : end;
        if ((long)_keptLength + taken > _limit)
        {
            _failed = true;
            return SseReadResult.TooLong;
        }
        if (end < 0)
        {
            Keep(chunk);
            chunk = default;
            return SseReadResult.NeedMore;
        }
        ReadOnlySpan<byte> raw = chunk[..end];
        if (_keptLength > 0)
        {
            Keep(raw);
            raw = _kept.AsSpan(0, _keptLength);
            _handedOut = true;
        }
        chunk = chunk[end..];
        found = new(raw, DataOf(raw));
        return SseReadResult.Event;
    }

    /// <summary>Resets the framer for another stream.</summary>
    public void Reset()
    {
        Release();
        _line = LineState.Start;
        _failed = false;
    }

    /// <summary>Returns the pooled memory.</summary>
    public void Dispose()
    {
        Reset();
        if (_joined.Length > 0)
            ArrayPool<byte>.Shared.Return(_joined);
        _joined = [];
    }

    /// <summary>
    /// Finds the end of the blank line that ends the event, starting in the line state at the end of the last chunk.
    /// </summary>
    private int FindEnd(ReadOnlySpan<byte> chunk)
    {
        var at = 0;
        while (at < chunk.Length)
        {
            if (_line == LineState.Inside)
            {
                var run = chunk[at..].IndexOf((byte)'\n');
                if (run < 0)
                    return -1;
                at += run + 1;
                _line = LineState.Start;
                continue;
            }
            var next = chunk[at++];
            if (next == '\n')
            {
                _line = LineState.Start;
                return at;
            }
            _line = next == '\r' && _line == LineState.Start ? LineState.ReturnAtStart : LineState.Inside;
        }
        return -1;
    }

    private ReadOnlySpan<byte> DataOf(ReadOnlySpan<byte> raw)
    {
        ReadOnlySpan<byte> data = default;
        var lines = 0;
        var joined = 0;
        while (!raw.IsEmpty)
        {
            var end = raw.IndexOf((byte)'\n');
            var line = end < 0 ? raw : raw[..end];
            raw = end < 0 ? default : raw[(end + 1)..];
            if (line is [.., (byte)'\r'])
                line = line[..^1];
            ReadOnlySpan<byte> value;
            if (line.StartsWith("data:"u8))
                value = line is [_, _, _, _, _, (byte)' ', ..] ? line[6..] : line[5..];
            else if (line.SequenceEqual("data"u8))
                value = default;
            else
                continue;
            if (lines++ == 0)
            {
                data = value;
                continue;
            }
            if (lines == 2)
                Join(data, ref joined);
            Join("\n"u8, ref joined);
            Join(value, ref joined);
        }
        return lines < 2 ? data : _joined.AsSpan(0, joined);
    }

    private void Join(ReadOnlySpan<byte> part, ref int length)
    {
        Grow(ref _joined, length, part.Length);
        part.CopyTo(_joined.AsSpan(length));
        length += part.Length;
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        Grow(ref _kept, _keptLength, part.Length);
        part.CopyTo(_kept.AsSpan(_keptLength));
        _keptLength += part.Length;
    }

    /// <summary>Idle streams hold no memory: there may be thousands of them.</summary>
    private void Release()
    {
        if (_kept.Length > 0)
            ArrayPool<byte>.Shared.Return(_kept);
        _kept = [];
        _keptLength = 0;
        _handedOut = false;
    }

    private static void Grow(ref byte[] buffer, int length, int more)
    {
        if (buffer.Length - length >= more)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(
            (int)Math.Min(Math.Max((long)length + more, buffer.Length * 2L), Array.MaxLength));
        buffer.AsSpan(0, length).CopyTo(larger);
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
