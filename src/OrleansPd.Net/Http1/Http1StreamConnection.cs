using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace OrleansPd.Net.Http1;

/// <summary>
/// A connection over a .NET socket, with or without TLS. A read is pending at all times between responses: it completes when the
/// peer closes the idle connection, so that reuse needs no further system call.
/// </summary>
internal sealed class Http1StreamConnection : Http1Connection
{
    /// <summary>
    /// No engine closes a connection for idleness this soon after a response; a poll for each request would be wasted.
    /// </summary>
    private static readonly TimeSpan PollAfter = TimeSpan.FromMilliseconds(5);

    private readonly Socket _socket;
    private readonly Stream _stream;
    private ValueTask<int> _pending;

    /// <param name="socket">Connected; disposed with the connection.</param>
    /// <param name="stream">The stream over it; disposed with the connection.</param>
    public Http1StreamConnection(Socket socket, Stream stream)
    {
        (_socket, _stream) = (socket, stream);
        BeginResponse();
    }

    public override bool IsQuiet => !_pending.IsCompleted;
    public override bool CanWait => false;

    public override bool IsReusable(TimeSpan idle) =>
        IsQuiet && !IsDisposed && (idle < PollAfter || !_socket.Poll(0, SelectMode.SelectRead));

    public override void BeginResponse()
    {
        if (Buffer.Length is 0 or > 2 * InitialBuffer)
        {
            ReleaseBuffer();
            Buffer = ArrayPool<byte>.Shared.Rent(InitialBuffer);
        }
        Start = End = 0;
        _pending = _stream.ReadAsync(Buffer);
    }

    public override ValueTask<int> ReceiveHeadAsync(int maxHead)
    {
        GrowWhenFull(maxHead);
        if (End > 0)
            return _stream.ReadAsync(Buffer.AsMemory(End));
        var read = _pending;
        _pending = default;
        return read;
    }

    public override bool Received(int bytes)
    {
        End += bytes;
        return bytes > 0;
    }

    public override ValueTask<int> ReceiveAsync(Memory<byte> into) => _stream.ReadAsync(into);

    protected override void Close()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    protected override ValueTask SendAsync(ReadOnlyMemory<byte> bytes) => _stream.WriteAsync(bytes);

    protected override ValueTask SendSegmentsAsync(ReadOnlyMemory<byte> head, in UpstreamBody body) =>
        _stream is SslStream ? WriteEachAsync(head, body) : GatherAsync(head, body);

    private async ValueTask GatherAsync(ReadOnlyMemory<byte> head, UpstreamBody body)
    {
        var segments = new List<ArraySegment<byte>>(1 + body.SegmentCount) { Array(head) };
        for (var i = 0; i < body.SegmentCount; i++)
            segments.Add(Array(body.Segment(i)));
        var sent = await _socket.SendAsync(segments, SocketFlags.None).ConfigureAwait(false);
        if (sent != head.Length + body.Length)
            throw new IOException($"Only {sent} of {head.Length + body.Length} bytes of the request were sent.");
        // Heads and bodies are arrays, pooled or made for the call; other memory is copied.
        static ArraySegment<byte> Array(ReadOnlyMemory<byte> memory) =>
            MemoryMarshal.TryGetArray(memory, out var array) ? array : memory.ToArray();
    }

    private async ValueTask WriteEachAsync(ReadOnlyMemory<byte> head, UpstreamBody body)
    {
        await _stream.WriteAsync(head).ConfigureAwait(false);
        for (var i = 0; i < body.SegmentCount; i++)
            await _stream.WriteAsync(body.Segment(i)).ConfigureAwait(false);
    }
}
