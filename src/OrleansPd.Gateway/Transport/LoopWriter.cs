using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// What goes to a client: gathered in blocks, and sent by whoever flushes. A flush that the client's window has no room for ends
/// when all of it is gone, so no more than what was written before it is ever held; who does not wait for it may write on, behind
/// it.
/// </summary>
internal sealed class LoopWriter(LoopConnection connection, LoopSocket socket) : PipeWriter
{
    /// <summary>Holds an event, or a head with a short answer.</summary>
    private const int FirstBlock = 4096;

    private const int MostBlock = 64 * 1024;

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
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }
        if (_isClosed)
        {
            GiveBack();
        }
        if (_sending is { IsCompleted: false } before)
        {
            // Somebody did not wait for it: its blocks are on their way, and the socket takes one call at a time.
            return SlowAsync(_used + _fullBytes == 0 ? before : BehindAsync(before, TakeBlocks()), cancellationToken);
        }
        if (_used + _fullBytes == 0)
        {
            return new(new FlushResult(TakeCancelled(), _isClosed));
        }
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
        // What was written and not flushed goes nowhere; the blocks go back when the connection ends.
    }

    /// <summary>The connection has ended, and nobody writes any more.</summary>
    public void Release()
    {
        _isClosed = true;
        GiveBack();
    }

    private ValueTask SendAsync(in Blocks blocks)
    {
        if (blocks.Full is not { Count: > 0 } full)
        {
            return socket.SendAsync(blocks.Last.AsMemory(0, blocks.Used));
        }
        var more = new ReadOnlyMemory<byte>[full.Count];
        for (var i = 1; i < full.Count; i++)
        {
            more[i - 1] = full[i];
        }
        more[^1] = blocks.Last.AsMemory(0, blocks.Used);
        return socket.SendAsync(full[0], more);
    }

    /// <summary>
    /// The client does not take it at once, or is gone. Whoever waits may be told to wait no more; what is on its way stays so,
    /// and its blocks are kept until it has arrived.
    /// </summary>
    private async ValueTask<FlushResult> SlowAsync(Task sending, CancellationToken cancellationToken)
    {
        _sending = sending;
        TaskCompletionSource cancel;
        lock (_gate)
        {
            cancel = _cancel = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_isCancelled)
            {
                cancel.TrySetResult();
            }
        }
        var ended = await Task.WhenAny(sending, cancel.Task).WaitAsync(cancellationToken);
        await ended;
        lock (_gate)
        {
            _cancel = null;
        }
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
            // As Kestrel's own sockets: a write to one who is gone says that it is completed, and the request is told.
            _isClosed = true;
            connection.NotifyClosed();
        }
        blocks.GiveBack();
    }

    private bool TakeCancelled()
    {
        if (!_isCancelled)
        {
            return false;
        }
        _isCancelled = false;
        return true;
    }

    private void MakeRoom(int size)
    {
        if (_block.Length - _used >= Math.Max(size, 1))
        {
            return;
        }
        if (_used > 0)
        {
            (_full ??= []).Add(new(_block, 0, _used));
            _fullBytes += _used;
        }
        else if (_block.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_block);
        }
        _block = ArrayPool<byte>.Shared.Rent(Math.Max(size, Math.Clamp(_fullBytes * 2, FirstBlock, MostBlock)));
        _used = 0;
    }

    /// <summary>From now on what is written goes to others.</summary>
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

    /// <summary>What is sent at once: those that are full, and the beginning of one that is not.</summary>
    private readonly record struct Blocks(List<ArraySegment<byte>>? Full, byte[] Last, int Used)
    {
        public void GiveBack()
        {
            if (Last.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(Last);
            }
            Full?.ForEach(static block => ArrayPool<byte>.Shared.Return(block.Array!));
            Full?.Clear();
        }
    }
}
