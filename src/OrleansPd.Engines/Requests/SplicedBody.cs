namespace OrleansPd.Engines.Requests;

/// <summary>
/// A request body made of ranges of the client's buffer and of bytes of the gateway. The client's buffer is not copied and must
/// not change until this is disposed of; several spliced bodies may share it.
/// </summary>
public sealed class SplicedBody : ISegmentedBody, IDisposable
{
    private ReadOnlyMemory<byte> _body;
    private Piece[]? _pieces;
    private byte[]? _own;
    private readonly int _count;

    internal SplicedBody(ReadOnlyMemory<byte> body, Piece[] pieces, int count, byte[] own, int length)
    {
        (_body, _pieces, _count, _own, Length) = (body, pieces, count, own, length);
    }

    /// <summary>Total bytes: the Content-Length.</summary>
    public int Length { get; }

    /// <summary>Number of segments.</summary>
    public int SegmentCount => _count;

    /// <summary>One segment; none is empty.</summary>
    /// <param name="index">0 to <see cref="SegmentCount"/> - 1.</param>
    public ReadOnlyMemory<byte> Segment(int index)
    {
        ObjectDisposedException.ThrowIf(_pieces is null || _own is null, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_count, nameof(index));
        var piece = _pieces[index];
        return piece.Own ? _own.AsMemory(piece.Start, piece.Length) : _body.Slice(piece.Start, piece.Length);
    }

    /// <summary>The segments in order, for <c>foreach</c>.</summary>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>Copies everything to the start of a buffer of at least <see cref="Length"/> bytes.</summary>
    /// <param name="target">The buffer.</param>
    public void CopyTo(Span<byte> target)
    {
        foreach (var segment in this)
        {
            segment.Span.CopyTo(target);
            target = target[segment.Length..];
        }
    }

    /// <summary>Copies everything to a new array.</summary>
    public byte[] ToArray()
    {
        var array = new byte[Length];
        CopyTo(array);
        return array;
    }

    /// <summary>Returns the pooled memory. Segments must not be used any more.</summary>
    public void Dispose()
    {
        // A disposed object does not keep the client's body alive.
        _body = default;
        if (Interlocked.Exchange(ref _own, null) is { } own)
            ArrayPool<byte>.Shared.Return(own);
        if (Interlocked.Exchange(ref _pieces, null) is { } pieces)
            ArrayPool<Piece>.Shared.Return(pieces);
    }

    /// <summary>Enumerates the segments.</summary>
    public struct Enumerator(SplicedBody owner)
    {
        private int _next;

        public ReadOnlyMemory<byte> Current { get; private set; }

        public bool MoveNext()
        {
            if (_next >= owner._count)
                return false;
            Current = owner.Segment(_next++);
            return true;
        }
    }

    internal readonly record struct Piece(bool Own, int Start, int Length);
}
