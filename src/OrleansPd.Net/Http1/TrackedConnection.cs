using System.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>
/// A TCP connection that counts the bytes it received, and records them in the <see cref="Usage"/> of each request it carries.
/// <see cref="SocketsHttpHandler"/> does not report on which connection a request failed.
/// </summary>
internal sealed class TrackedConnection(Socket socket, TimeProvider clock) : NetworkStream(socket, ownsSocket: true)
{
    private static readonly AsyncLocal<Usage?> Flow = new();

    private long _received;
    private long _receivedAt;

    /// <summary>Set before the request of this asynchronous flow is sent.</summary>
    public static Usage? Current
    {
        set => Flow.Value = value;
    }

    private long Received => Volatile.Read(ref _received);
    private TimeSpan Idle => clock.GetElapsedTime(Volatile.Read(ref _receivedAt));

    public static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, TimeProvider clock, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new TrackedConnection(socket, clock);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Flow.Value?.SentOn(this);
        return base.WriteAsync(buffer, cancellationToken);
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var reading = base.ReadAsync(buffer, cancellationToken);
        if (!reading.IsCompletedSuccessfully)
            return CountAsync(reading);
        var read = reading.Result;
        Count(read);
        return new(read);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> CountAsync(ValueTask<int> reading)
    {
        var read = await reading.ConfigureAwait(false);
        Count(read);
        return read;
    }

    private void Count(int read)
    {
        if (read > 0)
        {
            Volatile.Write(ref _receivedAt, clock.GetTimestamp());
            Volatile.Write(ref _received, _received + read);
        }
    }

    /// <summary>The connection that carried one request, and the bytes it had received before.</summary>
    internal sealed class Usage
    {
        private TrackedConnection? _connection;
        private long _before;

        /// <summary>The connection had carried responses before this request, and received nothing since.</summary>
        public bool WasReusedWithoutResponse => _connection is { } connection && _before > 0 && connection.Received == _before;

        /// <summary>How long that connection had received nothing when the request was sent.</summary>
        public TimeSpan Idle { get; private set; }

        public void SentOn(TrackedConnection connection)
        {
            if (_connection is null)
            {
                _before = connection.Received;
                Idle = connection.Idle;
                _connection = connection;
            }
        }
    }
}
