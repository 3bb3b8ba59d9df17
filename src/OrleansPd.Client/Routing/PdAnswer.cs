using OrleansPd.Engines.Attempts;

namespace OrleansPd.Client.Routing;

/// <summary>An answer of an engine, whole or in chunks as they come.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the engine sent it.</param>
/// <param name="Chunks">The body: one chunk, or the whole events of a stream as they come. To be read once, to its end or not at
/// all.</param>
public sealed record PdAnswer(int Status, string? ContentType, IAsyncEnumerable<ReadOnlyMemory<byte>> Chunks)
{
    /// <summary>The whole body.</summary>
    public async Task<byte[]> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        using var all = new MemoryStream();
        await foreach (var chunk in Chunks.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            await all.WriteAsync(chunk, cancellationToken).ConfigureAwait(false);
        }
        return all.ToArray();
    }
}

/// <summary>A stream that had begun has broken off.</summary>
public sealed class PdStreamException : Exception
{
    public PdStreamException(string message)
        : base(message)
    {
    }

    internal static PdStreamException Of(AnswerError error) => new($"{error.Code}: {error.Message}");
}
