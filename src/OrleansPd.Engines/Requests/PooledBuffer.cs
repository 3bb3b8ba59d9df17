namespace OrleansPd.Engines.Requests;

/// <summary>A growing buffer from the shared array pool.</summary>
internal sealed class PooledBuffer : IDisposable, IBufferWriter<byte>
{
    private byte[] _bytes;
    private int _size;

    public PooledBuffer(int size = 4096)
    {
        _size = Math.Max(size, 256);
        _bytes = ArrayPool<byte>.Shared.Rent(_size);
    }

    public int Length { get; private set; }
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    /// <summary>Free space of at least one byte.</summary>
    public Memory<byte> Free() => GetMemory(1);

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_bytes.Length - Length < Math.Max(sizeHint, 1))
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length == 0 ? _size : _bytes.Length * 2, Length + sizeHint));
            Written.CopyTo(larger);
            GiveBack();
            _bytes = larger;
        }
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public void Clear() => Length = 0;

    /// <summary>Clears the buffer, and doubles it up to a limit where it was full.</summary>
    public void ClearAndGrow(int max)
    {
        var full = Length == _bytes.Length;
        Length = 0;
        if (full && _bytes.Length < max)
            _ = GetMemory(_bytes.Length + 1);
    }

    /// <summary>Removes what was written after this length.</summary>
    public void Truncate(int length) => Length = length;

    /// <summary>Clears the buffer and returns its memory until the next write.</summary>
    public void Rest()
    {
        _size = Math.Max(_size, _bytes.Length);
        Dispose();
    }

    public void Dispose()
    {
        Length = 0;
        GiveBack();
    }

    private void GiveBack()
    {
        var bytes = _bytes;
        _bytes = [];
        if (bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(bytes);
    }
}
