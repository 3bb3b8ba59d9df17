using System.IO.Pipelines;
using System.Net.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// The bytes sent to a client: collected in blocks, and sent on the thread that flushes. A flush that does not fit into the
/// socket's send buffer completes when all its bytes are sent, so at most the bytes written before it are held. A caller that
/// does not await the flush may go on writing; those bytes are sent after it.
/// </summary>
internal sealed class LoopWriter(LoopConnection connection, LoopSocket socket) : PipeWriter
{
    /// <summary>Holds an event, or a head with a short body.</summary>
    private const int FirstBlock = 4096;

    private const int MaxBlock = 64 * 1024;

    private readonly Lock _gate = new();
    private List<ArraySegment<byte>>? _full;
    private TaskCompletionSource? _cancel;
    private Task? _sending;
    private byte[] _block = [];
    private int _used;
    private int _fullBytes;
    private volatile bool _isCancelled;
    private volatile bool _isClosed;

    public override bool CanGetUnflushedBytes => true;
    public override long UnflushedBytes => _fullBytes + _used;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _block.AsMemory(_used);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _block.AsSpan(_used);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)(_block.Length - _used), nameof(bytes));
        _used += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        if (_isClosed)
            GiveBack();
        if (_sending is { IsCompleted: false } before)
        {
            // An earlier flush was not awaited. Its blocks are being sent, and the socket accepts one send at a time.
            return SlowAsync(_used + _fullBytes == 0 ? before : BehindAsync(before, TakeBlocks()), cancellationToken);
        }
        if (_used + _fullBytes == 0)
            return new(new FlushResult(TakeCancelled(), _isClosed));
        var sent = SendAsync(new Blocks(_full, _block, _used));
        if (sent.IsCompletedSuccessfully)
        {
            GiveBack();
            return new(new FlushResult(TakeCancelled(), isCompleted: false));
        }
        return SlowAsync(EndAsync(sent, TakeBlocks()), cancellationToken);
    }

    public override void CancelPendingFlush()
    {
        lock (_gate)
        {
            _isCancelled = true;
            _cancel?.TrySetResult();
        }
    }

    public override void Complete(Exception? exception = null)
    {
        // Unflushed bytes are discarded. The blocks go back to the pool when the connection ends.
    }

    /// <summary>Returns the blocks to the pool: the connection has ended.</summary>
    public void Release()
    {
        _isClosed = true;
        GiveBack();
    }

    private ValueTask SendAsync(in Blocks blocks)
    {
        if (blocks.Full is not { Count: > 0 } full)
            return socket.SendAsync(blocks.Last.AsMemory(0, blocks.Used));
        var more = new ReadOnlyMemory<byte>[full.Count];
        for (var i = 1; i < full.Count; i++)
            more[i - 1] = full[i];
        more[^1] = blocks.Last.AsMemory(0, blocks.Used);
        return socket.SendAsync(full[0], more);
    }

    /// <summary>
    /// Waits for a send that could not complete at once. Cancelling ends the wait only: the send goes on, and keeps its blocks
    /// until it has completed.
    /// </summary>
    private async ValueTask<FlushResult> SlowAsync(Task sending, CancellationToken cancellationToken)
    {
        _sending = sending;
        TaskCompletionSource cancel;
        lock (_gate)
        {
            cancel = _cancel = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_isCancelled)
                cancel.TrySetResult();
        }
        var ended = await Task.WhenAny(sending, cancel.Task).WaitAsync(cancellationToken);
        await ended;
        lock (_gate)
            _cancel = null;
        return new FlushResult(TakeCancelled(), _isClosed);
    }

    private async Task BehindAsync(Task before, Blocks blocks)
    {
        await before;
        await EndAsync(_isClosed ? default : SendAsync(blocks), blocks);
    }

    private async Task EndAsync(ValueTask sent, Blocks blocks)
    {
        try
        {
            await sent;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // As Kestrel's own transport: a flush to a closed connection reports IsCompleted, and the request is cancelled.
            _isClosed = true;
            connection.NotifyClosed();
        }
        blocks.GiveBack();
    }

    private bool TakeCancelled()
    {
        if (!_isCancelled)
            return false;
        _isCancelled = false;
        return true;
    }

    private void MakeRoom(int size)
    {
        if (_block.Length - _used >= Math.Max(size, 1))
            return;
        if (_used > 0)
        {
            (_full ??= []).Add(new(_block, 0, _used));
            _fullBytes += _used;
        }
        else if (_block.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_block);
        }
        _block = ArrayPool<byte>.Shared.Rent(Math.Max(size, Math.Clamp(_fullBytes * 2, FirstBlock, MaxBlock)));
        _used = 0;
    }

    /// <summary>Takes the written blocks; later writes go to new ones.</summary>
    private Blocks TakeBlocks()
    {
        var taken = new Blocks(_full, _block, _used);
        (_full, _block, _used, _fullBytes) = (null, [], 0, 0);
        return taken;
    }

    private void GiveBack()
    {
        new Blocks(_full, _block, _used).GiveBack();
        (_block, _used, _fullBytes) = ([], 0, 0);
    }

    /// <summary>The blocks of one send: full ones, then the used part of the last.</summary>
    private readonly record struct Blocks(List<ArraySegment<byte>>? Full, byte[] Last, int Used)
    {
        public void GiveBack()
        {
            if (Last.Length > 0)
                ArrayPool<byte>.Shared.Return(Last);
            Full?.ForEach(static block => ArrayPool<byte>.Shared.Return(block.Array!));
            Full?.Clear();
        }
    }
}
