namespace OrleansPd.Net.Http1;

/// <summary>
/// Sends HTTP requests to engines. A seam: <see cref="HandlerUpstream"/> is the reference implementation, and every test of a
/// leg holds for any other.
/// </summary>
public interface IUpstream : IAsyncDisposable
{
    /// <summary>Sends the request and returns when the head of the answer is there. Never sends a request twice.</summary>
    /// <exception cref="UpstreamException">No head came.</exception>
    /// <exception cref="OperationCanceledException">The token fired; the connection is closed, which engines read as an
    /// abort.</exception>
    ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken);
}

/// <summary>One answer. Disposing it before its end closes the connection.</summary>
public interface IUpstreamResponse : IAsyncDisposable
{
    int Status { get; }

    /// <summary>As the engine sent it, parameters included; null when absent.</summary>
    string? ContentType { get; }

    /// <summary>Length of the body in bytes; null when it is chunked.</summary>
    long? ContentLength { get; }

    TimeSpan? RetryAfter { get; }

    /// <summary>
    /// The end of the body has been read: no connection is held any more. May stay false until a read has returned 0.
    /// </summary>
    bool IsComplete => false;

    /// <summary>The request has been sent whole, and its body is not needed any more. May stay false.</summary>
    bool HasTakenBody => false;

    /// <summary>
    /// Waits until a read would find something, or fail. Whoever waits long need not hold a buffer meanwhile. May end before.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    ValueTask<int> WaitAsync(CancellationToken cancellationToken) => default;

    /// <summary>Reads what is there, at least one byte; 0 at the end of the body.</summary>
    /// <exception cref="UpstreamException">The connection broke before the end.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}

/// <summary>One request to one engine.</summary>
public readonly record struct UpstreamRequest
{
    public required Uri Engine { get; init; }

    /// <summary>Path and query, beginning with a slash.</summary>
    public required string Path { get; init; }

    public string Method { get; init; }

    public UpstreamBody Body { get; init; }

    /// <summary>Whole value of the Authorization header; null = none.</summary>
    public string? Authorization { get; init; }

    /// <summary>
    /// Longest time to make a connection where one must be made; null = the client's own, which is also the most, and the only
    /// one that
    /// <see cref="HandlerUpstream"/> knows.
    /// </summary>
    public TimeSpan? ConnectTimeout { get; init; }

    /// <summary>Further headers; names are ours, values were checked. Null = none.</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers { get; init; }
}

/// <summary>A body that lies in several blocks of memory.</summary>
public interface ISegmentedBody
{
    /// <summary>Bytes in all: the Content-Length.</summary>
    int Length { get; }

    /// <summary>How many segments there are.</summary>
    int SegmentCount { get; }

    /// <summary>One segment; none is empty.</summary>
    /// <param name="index">0 to <see cref="SegmentCount"/> - 1.</param>
    ReadOnlyMemory<byte> Segment(int index);
}

/// <summary>A body: one block of memory, or several. The memory must not change until the request has ended.</summary>
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

    /// <summary>Bytes in all; 0 = no body.</summary>
    public int Length => _segments?.Length ?? _whole.Length;

    public int SegmentCount => _segments?.SegmentCount ?? (_whole.IsEmpty ? 0 : 1);

    public ReadOnlyMemory<byte> Segment(int index) => _segments?.Segment(index) ?? _whole;
}

/// <summary>No answer, or no whole answer, came from an engine.</summary>
/// <param name="neverSent">True when the engine cannot have seen the request: no connection was made.</param>
public sealed class UpstreamException(bool neverSent, string message, Exception? inner = null) : Exception(message, inner)
{
    public bool NeverSent { get; } = neverSent;

    /// <summary>
    /// The connection had carried requests before, was then idle, and broke at once, without a byte of answer: it looks as if the
    /// engine had closed it for idleness just then and has not read the request. It cannot be known, so it may not be sent again
    /// as it is.
    /// </summary>
    public bool WasStale { get; init; }
}
