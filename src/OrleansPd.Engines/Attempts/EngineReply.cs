namespace OrleansPd.Engines.Attempts;

/// <summary>A whole answer of an engine, kept in memory: an error, or a part of another answer.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As sent; null when absent.</param>
/// <param name="Body">All of it.</param>
/// <param name="RetryAfter">As sent.</param>
internal sealed record EngineReply(int Status, string? ContentType, byte[] Body, TimeSpan? RetryAfter)
{
    public bool IsJson => ContentType is { } type && type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the rest of an answer.</summary>
    /// <param name="max">Maximum size in bytes.</param>
    /// <exception cref="UpstreamException">The connection broke, or the answer is larger.</exception>
    public static async ValueTask<EngineReply> ReadAsync(IUpstreamResponse response, int max, CancellationToken cancellationToken)
    {
        using var buffer = new PooledBuffer((int)Math.Min(response.ContentLength ?? 4096, 1 << 20));
        while (true)
        {
            if (buffer.Length > max)
                throw new UpstreamException(neverSent: false, $"The answer is larger than {max} bytes.");
            var read = await response.ReadAsync(buffer.Free(), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return new(response.Status, response.ContentType, buffer.Written.ToArray(), response.RetryAfter);
            buffer.Advance(read);
        }
    }
}
