using OrleansPd.Engines.Attempts;

namespace OrleansPd.Client.Routing;

/// <summary>An engine's answer, complete or as a stream.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the engine sent it.</param>
/// <param name="Chunks">The body: one chunk, or the events of a stream as they arrive. Read it once; stop early to abort the
/// request.</param>
public sealed record PdAnswer(int Status, string? ContentType, IAsyncEnumerable<ReadOnlyMemory<byte>> Chunks)
{
    /// <summary>The whole body.</summary>
    public async Task<byte[]> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        using var all = new MemoryStream();
        await foreach (var chunk in Chunks.WithCancellation(cancellationToken).ConfigureAwait(false))
            await all.WriteAsync(chunk, cancellationToken).ConfigureAwait(false);
        return all.ToArray();
    }
}

/// <summary>A stream failed after it had started.</summary>
public sealed class PdStreamException : Exception
{
    public PdStreamException(string message)
        : base(message)
    {
    }

    internal static PdStreamException Of(AnswerError error) => new($"{error.Code}: {error.Message}");
}
