using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>A client's connection for Kestrel, on an event loop.</summary>
internal sealed class LoopConnection : ConnectionContext, IDuplexPipe, ILoopWatch, IMemoryPoolFeature, IConnectionIdFeature,
    IConnectionItemsFeature, IConnectionTransportFeature, IConnectionLifetimeFeature, IConnectionEndPointFeature, IBodyTarget
{
    private readonly CancellationTokenSource _closed = new();
    private readonly long _number;
    private readonly LoopSocket _socket;
    private readonly LoopReader _reader;
    private readonly LoopWriter _writer;
    private IDictionary<object, object?>? _items;
    private string? _id;
    private int _notifiedClosed;

    /// <param name="loop">Reports the socket's events.</param>
    /// <param name="socket">Connected; disposed with the connection.</param>
    /// <param name="pool">For Kestrel.</param>
    /// <param name="number">Unique; the default <see cref="ConnectionId"/> is made from it.</param>
    public LoopConnection(SocketLoop loop, Socket socket, MemoryPool<byte> pool, long number)
    {
        _number = number;
        MemoryPool = pool;
        (LocalEndPoint, RemoteEndPoint) = (socket.LocalEndPoint, socket.RemoteEndPoint);
        ConnectionClosed = _closed.Token;
        Transport = this;
        Features.Set<IMemoryPoolFeature>(this);
        Features.Set<IConnectionIdFeature>(this);
        Features.Set<IConnectionItemsFeature>(this);
        Features.Set<IConnectionTransportFeature>(this);
        Features.Set<IConnectionLifetimeFeature>(this);
        Features.Set<IConnectionEndPointFeature>(this);
        Features.Set<IBodyTarget>(this);
        _socket = new LoopSocket(loop, socket, this);
        (_reader, _writer) = (new LoopReader(this, _socket), new LoopWriter(this, _socket));
        _socket.Start();
    }

    public override string ConnectionId
    {
        get => _id ??= Convert.ToString(_number, 16);
        set => _id = value;
    }

    public override IFeatureCollection Features { get; } = new FeatureCollection(16);

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    public override IDuplexPipe Transport { get; set; }
    public override EndPoint? LocalEndPoint { get; set; }
    public override EndPoint? RemoteEndPoint { get; set; }
    public override CancellationToken ConnectionClosed { get; set; }
    public MemoryPool<byte> MemoryPool { get; }

    /// <summary>Why this side ended the connection; null when it did not.</summary>
    public ConnectionAbortedException? Aborted { get; private set; }

    PipeReader IDuplexPipe.Input => _reader;

    PipeWriter IDuplexPipe.Output => _writer;

    public void ReceiveInto(Memory<byte> rest) => _reader.ReceiveInto(rest);

    public override void Abort() => Abort(new ConnectionAbortedException("The connection was aborted by the application."));

    public override void Abort(ConnectionAbortedException abortReason)
    {
        Aborted ??= abortReason;
        if (abortReason is null)
        {
            // Kestrel passes null when the client has closed the connection in order.
            _socket.Shutdown();
            _socket.Dispose();
        }
        else
        {
            // As Kestrel's own transport: a partial response that ends with the connection must not look complete.
            _socket.Reset();
        }
        NotifyClosed();
    }

    /// <summary>
    /// Cancels <see cref="ConnectionClosed"/> on another thread, as the caller may be in the middle of a write.
    /// </summary>
    public void NotifyClosed()
    {
        if (Interlocked.Exchange(ref _notifiedClosed, 1) == 0)
        {
            // Not awaited: an exception of a callback stays in this task.
            _ = _closed.CancelAsync();
        }
    }

    void ILoopWatch.Ended(bool broken)
    {
        if (broken)
            NotifyClosed();
        else
            _reader.ReadAhead();
    }

    public override ValueTask DisposeAsync()
    {
        _socket.Shutdown();
        _reader.Drain();
        _socket.Dispose();
        _reader.Release();
        _writer.Release();
        NotifyClosed();
        return base.DisposeAsync();
    }
}
