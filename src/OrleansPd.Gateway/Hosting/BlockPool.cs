using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;

namespace OrleansPd.Gateway.Hosting;

/// <summary>
/// Memory for Kestrel in blocks of 64 KiB instead of 4 KiB, so that a long prompt takes a few reads instead of hundreds.
/// Connections hold a block only while bytes are in transit, so idle connections hold none.
/// </summary>
internal sealed class BlockPool : MemoryPool<byte>
{
    private const int BlockBytes = 64 * 1024;

    /// <summary>Maximum number of pooled blocks: 32 MiB. Blocks above it are left to the garbage collector.</summary>
    private const int MaxPooled = 512;

    private readonly ConcurrentQueue<Block> _free = new();
    private int _pooled;
    private volatile bool _disposed;

    public override int MaxBufferSize => BlockBytes;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (_free.TryDequeue(out var block))
        {
            Interlocked.Decrement(ref _pooled);
            return block;
        }
        return new Block(this);
    }

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        _free.Clear();
    }

    private void Return(Block block)
    {
        if (!_disposed && Interlocked.Increment(ref _pooled) <= MaxPooled)
            _free.Enqueue(block);
        else
            Interlocked.Decrement(ref _pooled);
    }

    /// <summary>Creates the pools of listeners and connections.</summary>
    public sealed class Factory : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new BlockPool();
    }

    /// <summary>A pinned array, as sockets receive into it and send from it.</summary>
    private sealed class Block(BlockPool pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = MemoryMarshal.CreateFromPinnedArray(
            GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true), 0, BlockBytes);

        public void Dispose() => pool.Return(this);
    }
}
