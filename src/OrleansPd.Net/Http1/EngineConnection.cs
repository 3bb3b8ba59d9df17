using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace OrleansPd.Net.Http1;

/// <summary>
/// A TCP connection that counts what came back, and tells each request that it carries whether it is the first one. The HTTP
/// client of .NET does not tell its callers on which of its pooled connections a request failed.
/// </summary>
internal sealed class EngineConnection(Socket socket, TimeProvider clock) : NetworkStream(socket, ownsSocket: true)
{
    private static readonly AsyncLocal<Carriage?> Flow = new();

    private long _received;
    private long _receivedAt;

    /// <summary>The request that the present flow of control is about to send.</summary>
    public static Carriage? Current
    {
        set => Flow.Value = value;
    }

    /// <summary>Bytes that came back so far, of all answers.</summary>
    private long Received => Volatile.Read(ref _received);

    private TimeSpan Idle => clock.GetElapsedTime(Volatile.Read(ref _receivedAt));

    public static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, TimeProvider clock, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new EngineConnection(socket, clock);
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
        {
            return CountAsync(reading);
        }
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

    /// <summary>Which connection carried one request, and what had come back on it before.</summary>
    internal sealed class Carriage
    {
        private EngineConnection? _connection;
        private long _before;

        /// <summary>The connection had answered requests before this one, and nothing has come back since.</summary>
        public bool WasReusedInVain => _connection is { } connection && _before > 0 && connection.Received == _before;

        /// <summary>How long nothing had come on that connection when the request was sent.</summary>
        public TimeSpan Idle { get; private set; }

        public void SentOn(EngineConnection connection)
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
