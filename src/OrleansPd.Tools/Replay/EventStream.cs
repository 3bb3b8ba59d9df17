using System.Net.ServerSentEvents;

namespace OrleansPd.Tools.Replay;

/// <summary>The data of server-sent events, as bytes.</summary>
internal static class EventStream
{
    private const int MaxEventBytes = 64 * 1024 * 1024;

    /// <summary>An event that is cut off at the end of the stream is not returned.</summary>
    /// <exception cref="InvalidDataException">An event is larger than 64 MiB.</exception>
    public static async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken, int maxEventBytes = MaxEventBytes)
    {
        var events = SseParser.Create(stream, (_, data) => data.Length <= maxEventBytes
            ? data.ToArray()
            : throw new InvalidDataException($"An event is larger than {maxEventBytes} bytes."));
        await foreach (var item in events.EnumerateAsync(cancellationToken))
            yield return item.Data;
    }
}
