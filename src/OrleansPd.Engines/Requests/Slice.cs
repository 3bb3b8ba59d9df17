namespace OrleansPd.Engines.Requests;

/// <summary>A byte range of a request body or of an engine's answer. The default value means "not there".</summary>
/// <param name="Start">Offset of the first byte.</param>
/// <param name="Length">Length in bytes.</param>
public readonly record struct Slice(int Start, int Length)
{
    /// <summary>Offset of the first byte after the range.</summary>
    public int End => Start + Length;

    /// <summary>True when the range is empty: no JSON value is, so the member was absent or null.</summary>
    public bool IsNone => Length == 0;

    /// <summary>The bytes themselves.</summary>
    /// <param name="bytes">The buffer of the slice.</param>
    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> bytes) => bytes.Slice(Start, Length);

    internal static Slice Between(int start, int end) => new(start, end - start);
}
