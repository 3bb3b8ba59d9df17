using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace OrleansPd.Simulator;

/// <summary>A socket transport whose listener can be taken away and brought back, and whose connections can be reset.</summary>
internal sealed class GatedTransport : IConnectionListenerFactory
{
    private readonly SocketTransportFactory _sockets =
        new(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);

    private readonly ConcurrentDictionary<ConnectionContext, byte> _connections = new();
    private volatile TaskCompletionSource? _closed;
    private volatile IConnectionListener? _listener;

    public IPEndPoint? EndPoint { get; private set; }

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        _listener = await _sockets.BindAsync(endpoint, cancellationToken);
        EndPoint = (IPEndPoint)_listener.EndPoint;
        return new Gate(this);
    }

    /// <summary>New connections are refused by the operating system until <see cref="Open"/>.</summary>
    public async Task CloseAsync()
    {
        if (Interlocked.CompareExchange(
            ref _closed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), null) is null
            && _listener is { } listener)
        {
            await listener.UnbindAsync();
            await listener.DisposeAsync();
        }
    }

    public void Open() => Interlocked.Exchange(ref _closed, null)?.TrySetResult();

    /// <summary>Sends a reset on every connection.</summary>
    public void ResetAll()
    {
        foreach (var connection in _connections.Keys)
        {
            Reset(connection);
        }
    }

    public static void Reset(ConnectionContext connection)
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
        {
            try
            {
                socket.LingerState = new LingerOption(true, 0);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Already gone, which is what was wanted.
            }
        }

        connection.Abort(new ConnectionAbortedException("Reset by a fault."));
    }

    private sealed class Gate(GatedTransport owner) : IConnectionListener
    {
        private volatile bool _ended;

        public EndPoint EndPoint => owner.EndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (!_ended)
            {
                ConnectionContext? connection = null;
                try
                {
                    connection = await owner._listener!.AcceptAsync(cancellationToken);
                }
                catch (Exception e) when (owner._closed is not null && e is SocketException or ObjectDisposedException)
                {
                    // The listener was closed under the call.
                }

                if (connection is not null)
                {
                    owner._connections.TryAdd(connection, 0);
                    connection.ConnectionClosed.UnsafeRegister(
                        static state =>
                        {
                            var (transport, gone) = ((GatedTransport, ConnectionContext))state!;
                            transport._connections.TryRemove(gone, out _);
                        },
                        (owner, connection));
                    return connection;
                }

                if (_ended || owner._closed is not { } closed)
                {
                    return null;
                }

                await closed.Task.WaitAsync(cancellationToken);
                if (!_ended)
                {
                    owner._listener = await owner._sockets.BindAsync(owner.EndPoint!, cancellationToken);
                }
            }

            return null;
        }

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _ended = true;
            await owner._listener!.UnbindAsync(cancellationToken);
            owner.Open();
        }

        public ValueTask DisposeAsync() => owner._listener!.DisposeAsync();
    }
}
