using System.Runtime.InteropServices;

namespace OrleansPd.Gateway.Transport;

/// <summary>
/// The bytes of one connection that were received and not consumed, in one array: a pooled array that grows, or the array of a
/// target. Holds no array while there are no bytes. Not thread-safe.
/// </summary>
internal sealed class ReadBuffer
{
    /// <summary>Holds a request head with a short body. A full buffer makes the next one larger.</summary>
    private const int InitialSize = 4096;

    private const int MaxSize = 256 * 1024;

    private byte[] _array = [];
    private Memory<byte> _target;
    private int _size = InitialSize;
    private int _start;
    private int _end;
    private int _examined;
    private bool _isPooled = true;
    private bool _isLent;

    public int Length => _end - _start;
    public bool HasUnexamined => _end > _examined;

    /// <summary>The bytes that were not consumed. Their array is not reused until <see cref="Advance"/>.</summary>
    public ReadOnlySequence<byte> Lend()
    {
        _isLent = true;
        return _end > _start ? new ReadOnlySequence<byte>(_array, _start, _end - _start) : default;
    }

    /// <summary>Ends the loan.</summary>
    /// <returns>False when nothing had been lent.</returns>
    public bool Advance(SequencePosition consumed, SequencePosition examined)
    {
        _isLent = false;
        if (consumed.GetObject() is null && examined.GetObject() is null)
            return false;
        _start = Math.Max(_start, consumed.GetInteger());
        _examined = Math.Max(_start, examined.GetInteger());
        ReleaseIfEmpty();
        return true;
    }

    /// <inheritdoc cref="IBodyTarget.ReceiveInto"/>
    public void SetTarget(Memory<byte> target)
    {
        // Bytes that were received before come first; the caller copies them.
        _target = Length == 0 ? target : default;
        if (!_isPooled && target.IsEmpty)
        {
            // The caller takes its array back: move the unread bytes to one of ours.
            ReleaseIfEmpty();
            if (Length > 0)
                MakeRoom();
        }
    }

    /// <summary>Free space behind the received bytes, in the target where there is one.</summary>
    public Span<byte> Space()
    {
        if (Length == 0 && _target.Length > 0 && MemoryMarshal.TryGetArray<byte>(_target, out var target))
        {
            Release();
            (_array, _isPooled) = (target.Array!, false);
            _start = _end = _examined = target.Offset;
        }
        var limit = _isPooled ? _array.Length : _end + _target.Length;
        if (_end == limit)
        {
            MakeRoom();
            limit = _array.Length;
        }
        return _array.AsSpan(_end, limit - _end);
    }

    /// <summary>Appends bytes that were received into <see cref="Space"/>.</summary>
    public void Append(int bytes)
    {
        _end += bytes;
        if (!_isPooled)
            _target = _target[bytes..];
        else if (_end == _array.Length)
            _size = Math.Min(_size * 4, MaxSize);
    }

    public void ReleaseIfEmpty()
    {
        if (Length == 0)
            Release();
    }

    public void ReleaseUnlessLent()
    {
        if (!_isLent)
            Release();
    }

    /// <summary>
    /// Moves the bytes to a larger array. While the bytes are lent they keep their offsets, as the borrower's positions are
    /// offsets, and the old array does not go back to the pool, as the borrower may still read it.
    /// </summary>
    private void MakeRoom()
    {
        if (Length == 0)
        {
            Release();
            _array = ArrayPool<byte>.Shared.Rent(_size);
            return;
        }
        var shift = _isLent ? 0 : _start;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_size, (_end - shift) * 2));
        _array.AsSpan(_start, Length).CopyTo(larger.AsSpan(_start - shift));
        if (_isPooled && !_isLent)
            ArrayPool<byte>.Shared.Return(_array);
        (_examined, _end, _start) = (_examined - shift, _end - shift, _start - shift);
        (_array, _isPooled) = (larger, true);
    }

    private void Release()
    {
        if (_isPooled && _array.Length > 0)
            ArrayPool<byte>.Shared.Return(_array);
        (_array, _isPooled) = ([], true);
        _start = _end = _examined = 0;
    }
}
