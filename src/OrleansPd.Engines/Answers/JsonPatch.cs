namespace OrleansPd.Engines.Answers;

/// <summary>Copies JSON text forward to a writer, with replacements. Positions must not go back.</summary>
internal ref struct JsonPatch(ReadOnlySpan<byte> source, int start, IBufferWriter<byte> output)
{
    private readonly ReadOnlySpan<byte> _source = source;
    private readonly IBufferWriter<byte> _output = output;
    private int _copied = start;

    /// <summary>Copies up to a position; the caller writes what follows.</summary>
    public void CopyTo(int position)
    {
        _output.Write(_source[_copied..position]);
        _copied = position;
    }

    public void Skip(int position) => _copied = position;

    public void Replace(Slice range, ReadOnlySpan<byte> bytes)
    {
        CopyTo(range.Start);
        _output.Write(bytes);
        _copied = range.End;
    }

    public void Replace(Slice range, long value)
    {
        CopyTo(range.Start);
        Write(_output, value);
        _copied = range.End;
    }

    public static void Write(IBufferWriter<byte> output, long value)
    {
        value.TryFormat(output.GetSpan(20), out var written);
        output.Advance(written);
    }

    public static void WriteString(IBufferWriter<byte> output, string value)
    {
        var target = output.GetSpan(2 + value.Length * 6);
        output.Advance(JsonWriting.WriteString(value, target));
    }
}
