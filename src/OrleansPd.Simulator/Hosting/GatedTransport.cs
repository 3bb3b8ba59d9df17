using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace OrleansPd.Simulator.Hosting;

/// <summary>A socket transport whose listener can be taken away and brought back, and whose connections can be reset.</summary>
internal sealed class GatedTransport : IConnectionListenerFactory
{
    private readonly SocketTransportFactory _sockets =
        new(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);

    private readonly ConcurrentDictionary<ConnectionContext, byte> _connections = new();
    private volatile TaskCompletionSource? _closed;
    private volatile IConnectionListener? _listener;
    private volatile IConnectionListener? _shut;

    public IPEndPoint? EndPoint { get; private set; }
    public int Connections => _connections.Count;

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
            await ShutAsync(listener);
        }
    }

    private async Task ShutAsync(IConnectionListener listener)
    {
        _shut = listener;
        await listener.UnbindAsync();
        await listener.DisposeAsync();
    }

    /// <summary>Waits for <see cref="Open"/> and listens again, however often it is closed meanwhile.</summary>
    private async Task ListenAgainAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_closed is { } closed)
                await closed.Task.WaitAsync(cancellationToken);
            IConnectionListener listener;
            try
            {
                listener = await _sockets.BindAsync(EndPoint!, cancellationToken);
            }
            catch (Exception e) when (e is AddressInUseException or SocketException)
            {
                // Taken meanwhile as the near end of some connection: it will be free again.
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
                continue;
            }
            _listener = listener;
            if (_closed is null)
                return;
            await ShutAsync(listener);
        }
    }

    public void Open() => Interlocked.Exchange(ref _closed, null)?.TrySetResult();

    public void ResetAll()
    {
        foreach (var connection in _connections.Keys)
            Reset(connection);
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
                // Closed already, as intended.
            }
        }
        connection.Abort(new ConnectionAbortedException("Reset by a fault."));
    }

    private sealed class Gate(GatedTransport owner) : IConnectionListener
    {
        private readonly CancellationTokenSource _end = new();
        private volatile bool _ended;

        public EndPoint EndPoint => owner.EndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (!_ended)
            {
                ConnectionContext? connection = null;
                var listener = owner._listener!;
                try
                {
                    connection = await listener.AcceptAsync(cancellationToken);
                }
                catch (Exception e) when (
                    ReferenceEquals(owner._shut, listener) && e is SocketException or ObjectDisposedException)
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
                // It may be open again by now: what counts is that this listener was closed on purpose.
                if (_ended || !ReferenceEquals(owner._shut, listener))
                    return null;
                try
                {
                    await owner.ListenAgainAsync(_end.Token);
                }
                catch (OperationCanceledException) when (_ended)
                {
                    return null;
                }
            }
            return null;
        }

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _ended = true;
            await _end.CancelAsync();
            await owner._listener!.UnbindAsync(cancellationToken);
            owner.Open();
        }

        public ValueTask DisposeAsync() => owner._listener!.DisposeAsync();
    }
}
