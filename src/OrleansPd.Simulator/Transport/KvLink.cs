using System.Buffers.Binary;
using System.Net.Sockets;

namespace OrleansPd.Simulator.Transport;

internal enum KvFrame : byte
{
    /// <summary>Decode to prefill: room (8), slot (4), blocks (4). "The KV of this room may go there."</summary>
    Destination = 1,

    /// <summary>Decode to prefill: room (8).</summary>
    Abort = 2,

    /// <summary>Prefill to decode: slot (4), first block (4), count (4), then the blocks.</summary>
    Blocks = 3,

    /// <summary>
    /// Prefill to decode: room (8), slot (4), first token (4), its random number (8), logprob (8), cached tokens (4).
    /// </summary>
    Done = 4,

    /// <summary>Decode to prefill: room (8). "All of it has arrived."</summary>
    Ack = 5,
}

/// <summary>One TCP connection between a decode rank and a prefill rank: frames of length (4), kind (1), payload.</summary>
internal sealed class KvLink(Socket socket) : IDisposable
{
    public const int MaxFrame = 1 << 20;

    private readonly NetworkStream _stream = new(socket, ownsSocket: true);
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly CancellationTokenSource _closed = new();

    public string Peer { get; } = socket.RemoteEndPoint?.ToString() ?? "?";
    public CancellationToken Closed => _closed.Token;

    /// <summary>Sends one frame; throws <see cref="IOException"/> when the connection has ended.</summary>
    public async Task SendAsync(KvFrame kind, ReadOnlyMemory<byte> payload, CancellationToken ct)
    {
        var frame = ArrayPool<byte>.Shared.Rent(payload.Length + 5);
        try
        {
            BinaryPrimitives.WriteInt32LittleEndian(frame, payload.Length + 1);
            frame[4] = (byte)kind;
            payload.CopyTo(frame.AsMemory(5));
            await _writing.WaitAsync(ct);
            try
            {
                // Not cancelled in the middle: the rest of the frame would be read as the next one.
                await _stream.WriteAsync(frame.AsMemory(0, payload.Length + 5), _closed.Token);
            }
            catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException or SocketException)
            {
                throw new IOException("The connection is gone.", e);
            }
            finally
            {
                _writing.Release();
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Passes every frame to <paramref name="take"/> until the connection ends; never throws.</summary>
    public async Task ReadAllAsync(Func<KvFrame, ReadOnlyMemory<byte>, ValueTask> take)
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                await _stream.ReadExactlyAsync(buffer.AsMemory(0, 5), _closed.Token);
                var length = BinaryPrimitives.ReadInt32LittleEndian(buffer) - 1;
                var kind = (KvFrame)buffer[4];
                if (length is < 0 or > MaxFrame)
                    break;
                if (buffer.Length < length)
                    buffer = new byte[length];
                await _stream.ReadExactlyAsync(buffer.AsMemory(0, length), _closed.Token);
                await take(kind, buffer.AsMemory(0, length));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException or SocketException)
        {
            // The peer or this process has ended; waiting callers see Closed.
        }
        finally
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        if (!_closed.IsCancellationRequested)
        {
            _closed.Cancel();
            _stream.Dispose();
        }
    }

    /// <summary>Ends the connection as a killed process does.</summary>
    public void Reset()
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed already.
        }
        Dispose();
    }
}
