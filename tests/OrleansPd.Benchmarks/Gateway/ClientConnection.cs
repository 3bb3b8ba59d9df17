namespace OrleansPd.Benchmarks.Gateway;

/// <summary>One connection of the <see cref="Generator"/>.</summary>
internal sealed class ClientConnection : ISocketHandler, IMessageSink
{
    private static readonly byte[] EndMark = "data: [DONE]\n\n"u8.ToArray();

    private readonly EventLoop _loop;
    private readonly Generator _owner;
    private readonly MessageReader _reader;
    private readonly byte[] _request;
    private readonly bool _stream;
    private readonly int _wantedEvents;
    private readonly int _fd;
    private int _sent;
    private int _received;
    private int _events;
    private readonly byte[] _end = new byte[EndMark.Length];
    private int _endLength;
    private bool _opened;
    private bool _closed;
    private bool _good;
    private long _since;

    public ClientConnection(EventLoop loop, Generator owner, int port, byte[] request, bool stream, int events)
    {
        (_loop, _owner, _request, _stream, _wantedEvents) = (loop, owner, request, stream, events);
        _reader = new MessageReader(this);
        _fd = Native.Connect("127.0.0.1", port);
        _loop.Add(_fd, this, Native.EpollIn | Native.EpollOut);
        _sent = -1; // not connected yet
    }

    public void Ready(int events)
    {
        if ((events & Native.EpollOut) != 0)
        {
            if (_sent < 0)
            {
                _loop.Change(_fd, Native.EpollIn);
                Begin();
            }
            else
            {
                Send();
            }
        }
        if (_closed || (events & ~Native.EpollOut) == 0)
            return;
        var read = _loop.Receive(_fd);
        if (read is 0 or -2)
        {
            if (_reader.IsInside || _sent > 0)
                _owner.Failed("a connection that broke before the answer's end");
            Close();
        }
        else if (read > 0 && !_reader.Read(_loop.Scratch[..read]))
        {
            _owner.Failed("an answer that is not HTTP");
        }
    }

    public void Close()
    {
        if (!_closed)
        {
            _closed = true;
            _loop.Close(_fd);
        }
    }

    public void Head(ReadOnlySpan<byte> line)
    {
        _good = line.StartsWith("HTTP/1.1 200"u8);
        (_received, _events, _endLength) = (0, 0, 0);
        if (!_good)
            _owner.Failed($"an answer '{System.Text.Encoding.ASCII.GetString(line)}'");
    }

    public void Body(ReadOnlySpan<byte> part)
    {
        if (!_stream)
        {
            var wanted = Payload.AnswerBody;
            _good &= _received + part.Length <= wanted.Length && wanted.Slice(_received, part.Length).SequenceEqual(part);
            _received += part.Length;
            return;
        }
        if (Payload.StampOf(part) is > 0 and var sent)
            _owner.EventAfter(EventLoop.Now - sent);
        _received += part.Length;
        if (_endLength > 0 && _end[_endLength - 1] == '\n' && part[0] == '\n')
            _events++;
        _events += part.Count("\n\n"u8);
        Keep(part);
        if (!_opened)
        {
            _opened = true;
            _owner.FirstEvent();
        }
    }

    public void End()
    {
        var done = _end.AsSpan(0, _endLength).SequenceEqual(EndMark);
        if (!_good || (_stream ? !done || _events != _wantedEvents + 1 : _received != Payload.AnswerBody.Length))
        {
            _owner.Failed($"an answer that is not the engine's: {_received} bytes, {_events} events{(done ? "" : ", no end mark")}");
            return;
        }
        _sent = 0;
        _owner.Ended(EventLoop.Now - _since, Math.Max(0, _events - 1));
        if (!_closed)
            Begin();
    }

    /// <summary>The last bytes of a stream, however it was cut into chunks.</summary>
    private void Keep(ReadOnlySpan<byte> part)
    {
        if (part.Length >= _end.Length)
        {
            part[^_end.Length..].CopyTo(_end);
            _endLength = _end.Length;
            return;
        }
        var kept = Math.Min(_endLength, _end.Length - part.Length);
        _end.AsSpan(_endLength - kept, kept).CopyTo(_end);
        part.CopyTo(_end.AsSpan(kept));
        _endLength = kept + part.Length;
    }

    private void Begin()
    {
        _sent = 0;
        if (_owner.Begin())
        {
            _since = EventLoop.Now;
            Send();
        }
    }

    private void Send()
    {
        if (_sent == _request.Length)
            return;
        var partly = _sent > 0;
        var sent = Native.Send(_fd, _request.AsSpan(_sent));
        if (sent < 0)
        {
            _owner.Failed("a connection that broke while a request was sent");
            Close();
            return;
        }
        _sent += sent;
        if (_sent < _request.Length)
        {
            if (!partly)
                _loop.Change(_fd, Native.EpollIn | Native.EpollOut);
        }
        else if (partly)
        {
            _loop.Change(_fd, Native.EpollIn);
        }
    }
}
