using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>
/// One connection of <see cref="DirectUpstream"/>. On a socket of .NET a read is pending at all times between answers, as a
/// loop's socket is watched at all times: that an engine has closed an idle connection is then known before the connection is
/// used again, at the price of no further system call.
/// </summary>
internal sealed class EngineLink : IDisposable
{
    /// <summary>Holds most heads with the answer or the event behind them; larger ones grow it for a while.</summary>
    private const int FirstBuffer = 2048;

    /// <summary>
    /// What is shorter is copied together for one plain send; for longer bodies gathering is cheaper than copying.
    /// </summary>
    private const int CopyBelow = 16 * 1024;

    /// <summary>
    /// No engine closes for idleness so soon after an answer; a system call for each request would be wasted on it.
    /// </summary>
    private static readonly TimeSpan JustUsed = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// A loop is told of an end within a few requests' time, so that it need be asked only where the engine's patience may end.
    /// </summary>
    private static readonly TimeSpan JustUsedOnLoop = TimeSpan.FromSeconds(1);

    private readonly LoopSocket? _loop;
    private readonly Socket? _socket;
    private readonly SslStream? _tls;
    private byte[] _buffer = [];
    private ValueTask<int> _pending;
    private DirectResponse? _exchange;
    private Action? _goOn;
    private int _start;
    private int _end;
    private int _disposed;

    public EngineLink(Socket socket, SslStream? tls)
    {
        (_socket, _tls) = (socket, tls);
        Listen();
    }

    public EngineLink(LoopSocket socket)
    {
        _loop = socket;
    }

    /// <summary>Answers that were read from it to their end.</summary>
    public int Answers { get; set; }

    /// <summary>When it became idle, as a timestamp.</summary>
    public long IdleSince { get; set; }

    /// <summary>Bytes that were read and not taken yet.</summary>
    public Span<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    /// <summary>
    /// Nothing has come since the last answer's end; false: the engine has closed it, or speaks without being asked.
    /// </summary>
    public bool IsQuiet => _loop is null ? !_pending.IsCompleted : !_loop.IsReadable;

    /// <summary>
    /// The same, with a look at the socket itself where it has been idle for a while: its end may have come and the pending read
    /// not have been told yet, as the thread that tells it may be the very one that asks.
    /// </summary>
    /// <param name="wasIdle">How long it has been idle.</param>
    public bool MayBeUsed(TimeSpan wasIdle) =>
        IsQuiet && !IsDisposed && (_loop is null
            ? wasIdle < JustUsed || !_socket!.Poll(0, SelectMode.SelectRead)
            : wasIdle < JustUsedOnLoop || _loop.IsQuietNow());

    /// <summary>A read into no memory waits for something to read.</summary>
    public bool CanWait => _loop is not null;

    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    public void Take(int bytes)
    {
        _start += bytes;
        if (_start == _end && _loop is not null)
        {
            // Nobody reads into it now; what waits long should hold little.
            Release();
        }
    }

    /// <summary>From now on the next answer is waited for.</summary>
    public void Listen()
    {
        if (_loop is not null)
        {
            Release();
            return;
        }
        if (_buffer.Length is 0 or > 2 * FirstBuffer)
        {
            Release();
            _buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
        }
        _start = _end = 0;
        _pending = ReceiveAsync(_buffer);
    }

    /// <summary>
    /// Waits for more bytes of an answer's head; <see cref="Came"/> then puts them behind those that are unread.
    /// </summary>
    /// <param name="most">Largest size of the head in bytes.</param>
    /// <exception cref="IOException">It is larger.</exception>
    public ValueTask<int> MoreAsync(int most)
    {
        if (_buffer.Length > 0 && _end == _buffer.Length)
        {
            Grow(most);
        }
        if (_loop is not null)
        {
            // Nothing is held for an answer that is not there yet.
            return _loop.ReceiveAsync(default);
        }
        if (_end == 0)
        {
            var read = _pending;
            _pending = default;
            return read;
        }
        return ReceiveAsync(_buffer.AsMemory(_end));
    }

    /// <summary>The wait of <see cref="MoreAsync"/> is over.</summary>
    /// <returns>False at the end of the connection.</returns>
    /// <exception cref="SocketException">The connection broke.</exception>
    public bool Came(int bytes)
    {
        if (_loop is not null)
        {
            if (_buffer.Length == 0)
            {
                _buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
            }
            if (!_loop.TryReceive(_buffer.AsSpan(_end), out bytes))
            {
                return true;
            }
        }
        _end += bytes;
        return bytes > 0;
    }

    /// <summary>
    /// What a read calls that an exchange waits for. One for all exchanges on this connection: there is one at a time.
    /// </summary>
    public Action WhenMore(DirectResponse exchange)
    {
        _exchange = exchange;
        return _goOn ??= () => _exchange!.GoOn();
    }

    /// <summary>Reads past the buffer, which is empty.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> into) =>
        _loop is not null ? _loop.ReceiveAsync(into)
            : _tls is not null ? _tls.ReadAsync(into) : _socket!.ReceiveAsync(into, SocketFlags.None);

    /// <summary>Sends a head and a body with as few system calls and copies as there can be.</summary>
    /// <param name="head">Pooled, at least <paramref name="headLength"/> long; its end is used for copying where there is
    /// room.</param>
    /// <param name="headLength">Bytes of the head.</param>
    /// <param name="body">Comes behind it.</param>
    public ValueTask SendAsync(byte[] head, int headLength, in UpstreamBody body)
    {
        var length = headLength + body.Length;
        if (length <= head.Length)
        {
            for (var i = 0; i < body.SegmentCount; i++)
            {
                var segment = body.Segment(i);
                segment.Span.CopyTo(head.AsSpan(headLength));
                headLength += segment.Length;
            }
            return WriteAsync(head.AsMemory(0, headLength));
        }
        return _loop is not null ? GatherOnLoopAsync(head, headLength, body)
            : _tls is null ? GatherAsync(head, headLength, body) : WriteEachAsync(head, headLength, body);
    }

    /// <summary>Size of the buffer for a head and, where it is short, the body behind it.</summary>
    public static int RoomFor(int head, int body) => head + body <= CopyBelow ? head + body : head;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            // The buffer is not given back to the pool: a read that is being broken off may still write to it.
            _loop?.Dispose();
            _tls?.Dispose();
            _socket?.Dispose();
        }
    }

    private ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_loop is not null)
        {
            return _loop.SendAsync(bytes);
        }
        if (_tls is not null)
        {
            return _tls.WriteAsync(bytes);
        }
        var sent = _socket!.SendAsync(bytes, SocketFlags.None);
        if (sent.IsCompletedSuccessfully)
        {
            Check(sent.Result, bytes.Length);
            return default;
        }
        return SentAsync(sent, bytes.Length);
    }

    private static async ValueTask SentAsync(ValueTask<int> sent, int length) => Check(await sent.ConfigureAwait(false), length);

    private ValueTask GatherOnLoopAsync(byte[] head, int headLength, in UpstreamBody body)
    {
        var segments = new ReadOnlyMemory<byte>[body.SegmentCount];
        for (var i = 0; i < segments.Length; i++)
        {
            segments[i] = body.Segment(i);
        }
        return _loop!.SendAsync(head.AsMemory(0, headLength), segments);
    }

    private async ValueTask GatherAsync(byte[] head, int headLength, UpstreamBody body)
    {
        var segments = new List<ArraySegment<byte>>(1 + body.SegmentCount) { new(head, 0, headLength) };
        for (var i = 0; i < body.SegmentCount; i++)
        {
            // All memory of bodies is arrays: pooled ones, or such as were made for the call.
            segments.Add(MemoryMarshal.TryGetArray(body.Segment(i), out var array) ? array : body.Segment(i).ToArray());
        }
        Check(await _socket!.SendAsync(segments, SocketFlags.None).ConfigureAwait(false), headLength + body.Length);
    }

    private async ValueTask WriteEachAsync(byte[] head, int headLength, UpstreamBody body)
    {
        await _tls!.WriteAsync(head.AsMemory(0, headLength)).ConfigureAwait(false);
        for (var i = 0; i < body.SegmentCount; i++)
        {
            await _tls.WriteAsync(body.Segment(i)).ConfigureAwait(false);
        }
    }

    private void Release()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
        _start = _end = 0;
    }

    private static void Check(int sent, int length)
    {
        if (sent != length)
        {
            throw new IOException($"Only {sent} of {length} bytes of the request were sent.");
        }
    }

    private void Grow(int most)
    {
        if (_buffer.Length >= most)
        {
            throw new IOException($"The head of the answer is longer than {most} bytes.");
        }
        var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }
}
