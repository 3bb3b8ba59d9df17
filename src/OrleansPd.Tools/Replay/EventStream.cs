using System.Buffers;

namespace OrleansPd.Tools.Replay;

/// <summary>Reads server-sent events: the data of one event at a time, whatever the pieces it arrives in.</summary>
internal sealed class EventStream(Stream stream, int maxEventBytes = 64 * 1024 * 1024) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _data = new(1024);
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
    private int _start, _scanned, _end;

    /// <summary>
    /// The data of the next event, valid until the next call; null at the end. An event that is cut off is none.
    /// </summary>
    /// <exception cref="InvalidDataException">An event is larger than allowed.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> NextAsync(CancellationToken cancellationToken)
    {
        _data.ResetWrittenCount();
        var hasData = false;
        while (true)
        {
            if (!TryReadLine(out var line))
            {
                if (!await FillAsync(cancellationToken))
                {
                    return null;
                }

                continue;
            }

            if (line.IsEmpty)
            {
                if (hasData)
                {
                    return _data.WrittenMemory;
                }
            }
            else if (line.Span.StartsWith("data:"u8))
            {
                if (hasData)
                {
                    _data.Write("\n"u8);
                }

                hasData = true;
                var value = line.Span[5..];
                _data.Write(value.StartsWith(" "u8) ? value[1..] : value);
            }
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private bool TryReadLine(out ReadOnlyMemory<byte> line)
    {
        var at = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
        if (at < 0)
        {
            _scanned = _end;
            line = default;
            return false;
        }

        var stop = _scanned + at;
        var length = stop - _start;
        if (length > 0 && _buffer[stop - 1] == '\r')
        {
            length--;
        }

        line = _buffer.AsMemory(_start, length);
        _start = _scanned = stop + 1;
        return true;
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_end - _start > maxEventBytes || _data.WrittenCount > maxEventBytes)
        {
            throw new InvalidDataException($"An event is larger than {maxEventBytes} bytes.");
        }

        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_scanned, _end, _start) = (_scanned - _start, _end - _start, 0);
        }

        if (_end == _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(0, _end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        return read > 0;
    }
}
