namespace OrleansPd.Net.Http1;

/// <summary>A body in several blocks of memory.</summary>
public interface ISegmentedBody
{
    /// <summary>Total bytes: the Content-Length.</summary>
    int Length { get; }

    int SegmentCount { get; }

    /// <summary>One segment; none is empty.</summary>
    /// <param name="index">0 to <see cref="SegmentCount"/> - 1.</param>
    ReadOnlyMemory<byte> Segment(int index);
}

/// <summary>A request body: one block of memory, or several. The memory must not change until the request has ended.</summary>
public readonly record struct UpstreamBody
{
    private readonly ISegmentedBody? _segments;
    private readonly ReadOnlyMemory<byte> _whole;

    public UpstreamBody(ReadOnlyMemory<byte> whole)
    {
        _whole = whole;
    }

    public UpstreamBody(ISegmentedBody segments)
    {
        _segments = segments;
    }

    /// <summary>Total bytes; 0 = no body.</summary>
    public int Length => _segments?.Length ?? _whole.Length;

    public int SegmentCount => _segments?.SegmentCount ?? (_whole.IsEmpty ? 0 : 1);

    public ReadOnlyMemory<byte> Segment(int index) => _segments?.Segment(index) ?? _whole;
}
