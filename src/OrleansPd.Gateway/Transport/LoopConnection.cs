using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>A client's connection, as Kestrel sees it.</summary>
internal sealed class LoopConnection : ConnectionContext, IDuplexPipe, ILoopWatch, IMemoryPoolFeature, IConnectionIdFeature,
    IConnectionItemsFeature, IConnectionTransportFeature, IConnectionLifetimeFeature, IConnectionEndPointFeature, IBodyTarget
{
    private static long _last = DateTime.UtcNow.Ticks;

    private readonly CancellationTokenSource _closed = new();
    private readonly LoopSocket _socket;
    private readonly LoopReader _reader;
    private readonly LoopWriter _writer;
    private IDictionary<object, object?>? _items;
    private string? _id;
    private int _notifiedClosed;

    public LoopConnection(Socket socket, MemoryPool<byte> pool)
    {
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
        _socket = new LoopSocket(socket, this);
        (_reader, _writer) = (new LoopReader(this, _socket), new LoopWriter(this, _socket));
        _socket.Start();
    }

    public override string ConnectionId
    {
        get => _id ??= Convert.ToString(Interlocked.Increment(ref _last), 16);
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

    /// <summary>Why this side has ended the connection; null where it has not.</summary>
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
            // Kestrel's way of saying that the client has gone in order.
            _socket.Shutdown();
            _socket.Dispose();
        }
        else
        {
            // As its own sockets do: half an answer must not look like a whole one that lasts until the connection ends.
            _socket.Reset();
        }
        NotifyClosed();
    }

    /// <summary>The request that runs is told, at once but elsewhere: whoever notices may be in the midst of writing.</summary>
    public void NotifyClosed()
    {
        if (Interlocked.Exchange(ref _notifiedClosed, 1) == 0)
        {
            // Not awaited: what a callback throws ends there, and not this process.
            _ = _closed.CancelAsync();
        }
    }

    void ILoopWatch.Ended(bool broken)
    {
        if (broken)
        {
            NotifyClosed();
        }
        else
        {
            _reader.ReadAhead();
        }
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
