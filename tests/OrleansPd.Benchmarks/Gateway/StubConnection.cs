using System.Text;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>One connection to a stub engine.</summary>
internal sealed class StubConnection : ISocketHandler, IMessageSink, IPaced
{
    private const int TailBytes = 512;

    // One of each for all streams: it is stamped right before it is sent.
    private static readonly byte[] Event = Payload.Event();
    private static readonly byte[] FirstEvent = [.. Payload.StreamHead, .. Payload.Event()];
    private static readonly byte[] ShortStream = [.. Payload.StreamHead, .. Payload.Event(), .. Payload.StreamEnd];

    private readonly EventLoop _loop;
    private readonly StubEngine _engine;
    private readonly MessageReader _reader;
    private readonly int _fd;
    private readonly byte[] _tail = new byte[TailBytes];
    private int _tailLength;
    private bool _wasFull;
    private byte[]? _unsent;
    private string _path = "";
    private int _received;
    private int _sentEvents;
    private long _next;
    private bool _closed;

    public StubConnection(EventLoop loop, StubEngine engine, int fd)
    {
        (_loop, _engine, _fd) = (loop, engine, fd);
        _reader = new MessageReader(this);
    }

    private StubPlan Plan => _engine.Plan;

    private bool IsLoad => Plan.Payload is { } payload && payload.Path == _path && _received >= payload.Body.Length - 2;

    public void Ready(int events)
    {
        if (_unsent is { } rest && (events & Native.EpollOut) != 0)
        {
            _unsent = null;
            Send(rest);
        }
        if ((events & ~Native.EpollOut) == 0)
            return;
        var read = _loop.Receive(_fd);
        if (read is 0 or -2)
        {
            Close();
        }
        else if (read > 0 && !_reader.Read(_loop.Scratch[..read]))
        {
            Plan.Wrong("a request that is not HTTP");
            Close();
        }
    }

    public void Head(ReadOnlySpan<byte> line)
    {
        var path = line[(line.IndexOf((byte)' ') + 1)..];
        path = path[..path.IndexOfAny((byte)' ', (byte)'?')];
        if (!Encoding.ASCII.GetBytes(_path).AsSpan().SequenceEqual(path))
            _path = Encoding.ASCII.GetString(path);
        _received = 0;
    }

    /// <summary>The body must be the one that was sent, but for the members of ours, which stand at its end.</summary>
    public void Body(ReadOnlySpan<byte> part)
    {
        if (Plan.Payload is { } payload && payload.Path == _path)
        {
            // All but the closing brace. A body of a few bytes is the gateway's own check before it takes a pair into use.
            var wanted = payload.Body.AsSpan(0, payload.Body.Length - 1);
            var compare = Math.Min(part.Length, wanted.Length - _received);
            if (compare > 0 && !part[..compare].SequenceEqual(wanted.Slice(_received, compare)) && _received + part.Length > 512)
                Plan.Wrong($"a body that differs from what was sent, within bytes {_received} to {_received + part.Length}");
        }
        _received += part.Length;
        if (part.Length >= TailBytes)
        {
            part[^TailBytes..].CopyTo(_tail);
            _tailLength = TailBytes;
            return;
        }
        var kept = Math.Min(_tailLength, TailBytes - part.Length);
        _tail.AsSpan(_tailLength - kept, kept).CopyTo(_tail);
        part.CopyTo(_tail.AsSpan(kept));
        _tailLength = kept + part.Length;
    }

    public void End()
    {
        if (_path is not ("/generate" or "/v1/chat/completions"))
        {
            Send(_engine.Probes.GetValueOrDefault(_path, StubProbes.NotFound));
        }
        else if (!IsLoad)
        {
            Send(StubProbes.Ready);
        }
        else
        {
            Plan.Saw(_engine.IsPrefill, _tail.AsSpan(0, _tailLength));
            Answer(Plan.Payload!.Stream);
        }
        _tailLength = 0;
    }

    public void Due(long now)
    {
        if (_closed)
            return;
        SendEvent(now);
    }

    /// <summary>Ends a stream that was kept idle.</summary>
    public void EndStream() => Send(Payload.StreamEnd);

    private void Answer(bool stream)
    {
        if (!stream)
        {
            Send(Payload.Answer);
            return;
        }
        if (_engine.IsPrefill)
        {
            Send(ShortStream);
            return;
        }
        var now = EventLoop.Now;
        _sentEvents = 1;
        Payload.Stamp(FirstEvent, now);
        Send(FirstEvent);
        _next = now;
        if (Plan.Pace < 0)
        {
            Plan.Idle.Add(this);
            return;
        }
        if (Plan.Pace > 0)
        {
            Pace(now);
            return;
        }
        while (SendEvent(now))
        {
        }
    }

    private void Pace(long now)
    {
        if (Plan.Pace > 0)
        {
            // From the time it was due, not from now: lateness does not add up, and streams keep their distance.
            _next = Math.Max(_next + Plan.Pace, now);
            _loop.At(_next, this);
        }
    }

    private bool SendEvent(long now)
    {
        if (_sentEvents == Plan.Events)
        {
            _sentEvents++;
            Send(Payload.StreamEnd);
            return false;
        }
        _sentEvents++;
        Payload.Stamp(Event, EventLoop.Now);
        Send(Event);
        Pace(now);
        return true;
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        if (_closed)
            return;
        if (_unsent is { } waiting)
        {
            _unsent = [.. waiting, .. bytes];
            return;
        }
        var sent = Native.Send(_fd, bytes);
        if (sent < 0)
        {
            Close();
        }
        else if (sent < bytes.Length)
        {
            _unsent = bytes[sent..].ToArray();
            _loop.Change(_fd, Native.EpollIn | Native.EpollOut);
        }
        else if (_unsent is null && _wasFull)
        {
            _loop.Change(_fd, Native.EpollIn);
        }
        _wasFull = _unsent is not null;
    }

    private void Close()
    {
        if (!_closed)
        {
            _closed = true;
            if (_reader.IsInside)
                Plan.Wrong("a connection that broke inside a request");
            _loop.Close(_fd);
        }
    }
}
