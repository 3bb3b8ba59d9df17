namespace OrleansPd.Engines.Requests;

/// <summary>Collects removals, replacements and one insertion, and makes a body of segments of them.</summary>
internal ref struct BodyEditor
{
    private readonly ReadOnlySpan<byte> _body;
    private Edit[] _edits = ArrayPool<Edit>.Shared.Rent(16);
    private byte[] _own = ArrayPool<byte>.Shared.Rent(512);
    private int _editCount;
    private int _ownLength;

    public BodyEditor(ReadOnlySpan<byte> body) => _body = body;

    public readonly int OwnLength => _ownLength;

    public void Remove(Slice range) => Add(new(range.Start, range.Length, 0, 0));

    /// <summary>Keeps only a part of a value.</summary>
    public void Narrow(Slice value, Slice part)
    {
        Remove(Slice.Between(value.Start, part.Start));
        Remove(Slice.Between(part.End, value.End));
    }

    /// <summary>Replaces a range with the bytes written since <paramref name="ownStart"/>.</summary>
    public void Replace(Slice range, int ownStart) => Add(new(range.Start, range.Length, ownStart, _ownLength - ownStart));

    public void Write(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(_own.AsSpan(_ownLength));
        _ownLength += bytes.Length;
    }

    public void Write(long value)
    {
        Reserve(20);
        value.TryFormat(_own.AsSpan(_ownLength), out var written);
        _ownLength += written;
    }

    public void WriteString(string value)
    {
        Reserve(2 + value.Length * 6);
        _ownLength += JsonWriting.WriteString(value, _own.AsSpan(_ownLength));
    }

    public SplicedBody Build(ReadOnlyMemory<byte> body)
    {
        var edits = _edits.AsSpan(0, _editCount);
        edits.Sort();
        var pieces = ArrayPool<SplicedBody.Piece>.Shared.Rent(_editCount * 2 + 1);
        int count = 0, at = 0, length = 0;
        foreach (var edit in edits)
        {
            Emit(false, at, edit.Start - at);
            Emit(true, edit.OwnStart, edit.OwnLength);
            at = edit.Start + edit.Length;
        }
        Emit(false, at, _body.Length - at);
        ArrayPool<Edit>.Shared.Return(_edits);
        return new(body, pieces, count, _own, length);

        void Emit(bool own, int start, int size)
        {
            if (size == 0)
                return;
            pieces[count++] = new(own, start, size);
            length += size;
        }
    }

    private void Add(Edit edit)
    {
        if (edit.Length == 0 && edit.OwnLength == 0)
            return;
        if (_editCount == _edits.Length)
        {
            var larger = ArrayPool<Edit>.Shared.Rent(_editCount * 2);
            _edits.AsSpan().CopyTo(larger);
            ArrayPool<Edit>.Shared.Return(_edits);
            _edits = larger;
        }
        _edits[_editCount++] = edit;
    }

    private void Reserve(int more)
    {
        if (_own.Length - _ownLength >= more)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_own.Length * 2, _ownLength + more));
        _own.AsSpan(0, _ownLength).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_own);
        _own = larger;
    }

    private readonly record struct Edit(int Start, int Length, int OwnStart, int OwnLength) : IComparable<Edit>
    {
        public int CompareTo(Edit other) => Start.CompareTo(other.Start);
    }
}
