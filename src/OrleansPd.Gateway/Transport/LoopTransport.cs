using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// Kestrel's transport on the event loops that also carry connections to engines. Bytes are received into the memory of the
/// reader, and sent on the thread that flushes.
/// </summary>
internal sealed class LoopTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector, IDisposable
{
    private const int Backlog = 512; // Kestrel's default

    /// <summary>Pause before the next accept when no file descriptor or buffer space is left.</summary>
    private static readonly TimeSpan ExhaustedPause = TimeSpan.FromMilliseconds(50);

    private readonly SocketLoops _loops = SocketLoops.Shared;
    private readonly MemoryPool<byte> _pool;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private long _connections;

    public LoopTransport(IMemoryPoolFactory<byte> pools, TimeProvider clock, ILogger<LoopTransport> logger)
    {
        (_pool, _clock, _logger) = (pools.Create(), clock, logger);
        // Connection ids differ between two processes that write to the same log.
        _connections = clock.GetUtcNow().Ticks;
        _loops.SocketFailed += OnSocketFailed;
    }

    public bool CanBind(EndPoint endpoint) => endpoint is IPEndPoint;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        Socket? socket = null;
        try
        {
            socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            socket.Listen(Backlog);
            return new(new Listener(this, socket));
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            if (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
                throw new AddressInUseException(e.Message, e);
            throw;
        }
    }

    public void Dispose() => _loops.SocketFailed -= OnSocketFailed;

    private void OnSocketFailed(Exception e) => Log.ConnectionFailed(_logger, e);

    private LoopConnection Connect(Socket accepted) =>
        new(_loops.Next(), accepted, _pool, Interlocked.Increment(ref _connections));

    private sealed class Listener(LoopTransport transport, Socket socket) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                Socket? accepted = null;
                try
                {
                    accepted = await socket.AcceptAsync(cancellationToken);
                    accepted.NoDelay = true;
                    return transport.Connect(accepted);
                }
                catch (Exception e) when (
                    e is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
                {
                    // The listener was stopped.
                    accepted?.Dispose();
                    return null;
                }
                catch (Exception e) when (e is SocketException or IOException)
                {
                    // The client has closed the connection already, or the process has too many sockets. Pause in the latter
                    // case, as the next accept would fail at once.
                    accepted?.Dispose();
                    if (e is IOException or SocketException
                        { SocketErrorCode: SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable })
                    {
                        await Task.Delay(ExhaustedPause, transport._clock, cancellationToken);
                    }
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => DisposeAsync();

        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            return default;
        }
    }
}
