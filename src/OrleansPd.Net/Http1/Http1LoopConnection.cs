using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>A plain TCP connection on an event loop. It holds no buffer while it waits.</summary>
internal sealed class Http1LoopConnection(LoopSocket socket) : Http1Connection
{
    /// <summary>
    /// The loop reports the peer's close within the time of a few requests. So poll the socket only after this idle time, where
    /// the peer's keep-alive limit may be near.
    /// </summary>
    private static readonly TimeSpan PollAfter = TimeSpan.FromSeconds(1);

    public override bool IsQuiet => !socket.IsReadable;
    public override bool CanWait => true;

    public override bool IsReusable(TimeSpan idle) => IsQuiet && !IsDisposed && (idle < PollAfter || socket.PollIsQuiet());

    public override void BeginResponse() => ReleaseBuffer();

    public override ValueTask<int> ReceiveHeadAsync(int maxHead)
    {
        GrowWhenFull(maxHead);
        return socket.ReceiveAsync(default);
    }

    public override bool Received(int bytes)
    {
        if (Buffer.Length == 0)
            Buffer = ArrayPool<byte>.Shared.Rent(InitialBuffer);
        if (!socket.TryReceive(Buffer.AsSpan(End), out bytes))
            return true;
        End += bytes;
        return bytes > 0;
    }

    public override ValueTask<int> ReceiveAsync(Memory<byte> into) => socket.ReceiveAsync(into);

    public override void Consume(int bytes)
    {
        base.Consume(bytes);
        if (Start == End)
        {
            // No receive is pending into it, and a stream that waits for long should hold little.
            ReleaseBuffer();
        }
    }

    protected override void Close() => socket.Dispose();

    protected override ValueTask SendAsync(ReadOnlyMemory<byte> bytes) => socket.SendAsync(bytes);

    protected override ValueTask SendSegmentsAsync(ReadOnlyMemory<byte> head, in UpstreamBody body)
    {
        var segments = new ReadOnlyMemory<byte>[body.SegmentCount];
        for (var i = 0; i < segments.Length; i++)
            segments[i] = body.Segment(i);
        return socket.SendAsync(head, segments);
    }
}
