namespace OrleansPd.Net.Http1;

/// <summary>
/// One connection of <see cref="DirectUpstream"/>. It carries one exchange at a time and owns the buffer that holds a response
/// head and the bytes received with it.
/// </summary>
internal abstract class Http1Connection : IDisposable
{
    /// <summary>Large enough for most heads with the first body bytes behind them; a larger head grows the buffer until the
    /// exchange ends.</summary>
    protected const int InitialBuffer = 2048;

    /// <summary>
    /// Head and body of up to this many bytes are copied together for one send. For longer bodies a gathering send is cheaper.
    /// </summary>
    private const int CopyLimit = 16 * 1024;

    private DirectResponse? _exchange;
    private Action? _headContinuation;
    private int _disposed;

    /// <summary>Number of responses that were read to their end on this connection.</summary>
    public int Responses { get; set; }

    /// <summary>Timestamp at which the connection became idle.</summary>
    public long IdleSince { get; set; }

    /// <summary>Bytes that were received and not consumed yet.</summary>
    public Span<byte> Unread => Buffer.AsSpan(Start, End - Start);

    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    /// <summary>
    /// True if nothing was received since the last response ended. False if the peer closed the connection or sent unexpected
    /// bytes.
    /// </summary>
    public abstract bool IsQuiet { get; }

    /// <summary>
    /// Whether a receive into an empty buffer waits for readable bytes, so that a waiting stream holds no buffer.
    /// </summary>
    public abstract bool CanWait { get; }

    /// <summary>Received bytes lie between <see cref="Start"/> and <see cref="End"/>. Empty while nothing is held.</summary>
    protected byte[] Buffer { get; set; } = [];

    protected int Start { get; set; }
    protected int End { get; set; }

    /// <summary>Size of the head's buffer: includes the body where both are sent as one copy.</summary>
    public static int SendBufferSize(int head, int body) => head + body <= CopyLimit ? head + body : head;

    /// <summary>
    /// Whether a request may be sent on this connection. Besides <see cref="IsQuiet"/> this polls the socket when the connection
    /// has been idle for a while: the thread that would report the peer's close may be the one that calls this.
    /// </summary>
    /// <param name="idle">How long the connection has been idle.</param>
    public abstract bool IsReusable(TimeSpan idle);

    /// <summary>Prepares for the next response: releases or resets the buffer.</summary>
    public abstract void BeginResponse();

    /// <summary>Waits for more bytes of a response head; <see cref="Received"/> then appends them to the unread bytes.</summary>
    /// <param name="maxHead">Maximum size of the head in bytes.</param>
    /// <exception cref="IOException">The head is larger.</exception>
    public abstract ValueTask<int> ReceiveHeadAsync(int maxHead);

    /// <summary>Adds the bytes that <see cref="ReceiveHeadAsync"/> received to <see cref="Unread"/>.</summary>
    /// <param name="bytes">The number of bytes that it returned; 0 = end of the connection.</param>
    /// <returns>False at the end of the connection.</returns>
    /// <exception cref="System.Net.Sockets.SocketException">The connection failed.</exception>
    public abstract bool Received(int bytes);

    /// <summary>Receives into the caller's buffer. Only while <see cref="Unread"/> is empty.</summary>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> into);

    /// <summary>Consumes bytes of <see cref="Unread"/>.</summary>
    public virtual void Consume(int bytes) => Start += bytes;

    /// <summary>
    /// The continuation of a receive for the head of <paramref name="exchange"/>. The delegate is reused by all exchanges, as
    /// there is one at a time.
    /// </summary>
    public Action HeadContinuation(DirectResponse exchange)
    {
        _exchange = exchange;
        return _headContinuation ??= () => _exchange!.HeadReceived();
    }

    /// <summary>Sends a head and a body with as few system calls and copies as possible.</summary>
    /// <param name="head">Pooled. The room behind the head is used to copy a short body.</param>
    /// <param name="headLength">Bytes of the head.</param>
    /// <param name="body">Follows the head.</param>
    public ValueTask SendAsync(byte[] head, int headLength, in UpstreamBody body)
    {
        if (headLength + body.Length > head.Length)
            return SendSegmentsAsync(head.AsMemory(0, headLength), body);
        for (var i = 0; i < body.SegmentCount; i++)
        {
            var segment = body.Segment(i);
            segment.Span.CopyTo(head.AsSpan(headLength));
            headLength += segment.Length;
        }
        return SendAsync(head.AsMemory(0, headLength));
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            // The buffer does not go back to the pool: a receive that is being cancelled may still write to it.
            Close();
        }
    }

    protected abstract void Close();

    protected abstract ValueTask SendAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>Sends a head and a body that is too long to be copied.</summary>
    protected abstract ValueTask SendSegmentsAsync(ReadOnlyMemory<byte> head, in UpstreamBody body);

    /// <summary>Makes room for more bytes of a head that fills the buffer.</summary>
    protected void GrowWhenFull(int maxHead)
    {
        if (Buffer.Length == 0 || End < Buffer.Length)
            return;
        if (Buffer.Length >= maxHead)
            throw new IOException($"The head of the answer is longer than {maxHead} bytes.");
        var larger = ArrayPool<byte>.Shared.Rent(Buffer.Length * 2);
        Buffer.AsSpan(0, End).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(Buffer);
        Buffer = larger;
    }

    protected void ReleaseBuffer()
    {
        if (Buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(Buffer);
            Buffer = [];
        }
        Start = End = 0;
    }
}
