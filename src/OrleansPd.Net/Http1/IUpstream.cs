namespace OrleansPd.Net.Http1;

/// <summary>
/// Sends HTTP/1.1 requests to engines. <see cref="HandlerUpstream"/> is the reference implementation; the same tests run on every
/// implementation.
/// </summary>
public interface IUpstream : IAsyncDisposable
{
    /// <summary>Sends the request and completes when the head of the response has arrived. Never sends a request twice.</summary>
    /// <exception cref="UpstreamException">No head arrived.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled. The connection is closed, which engines treat as an
    /// abort.</exception>
    ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken);
}

/// <summary>One response. Disposing it before its end closes the connection.</summary>
public interface IUpstreamResponse : IAsyncDisposable
{
    int Status { get; }

    /// <summary>As the engine sent it, including parameters; null when absent.</summary>
    string? ContentType { get; }

    /// <summary>Length of the body in bytes; null when it is chunked or ends with the connection.</summary>
    long? ContentLength { get; }

    TimeSpan? RetryAfter { get; }

    /// <summary>
    /// The end of the body was read and the connection is released. May stay false until a read has returned 0.
    /// </summary>
    bool IsComplete => false;

    /// <summary>The request was sent completely and its body is not needed any more. May stay false.</summary>
    bool HasTakenBody => false;

    /// <summary>
    /// Waits until a read would return bytes or fail, so that a caller holds no buffer while it waits. May complete early.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    ValueTask<int> WaitAsync(CancellationToken cancellationToken) => default;

    /// <summary>Reads at least one byte; 0 at the end of the body.</summary>
    /// <exception cref="UpstreamException">The connection failed before the end.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}
