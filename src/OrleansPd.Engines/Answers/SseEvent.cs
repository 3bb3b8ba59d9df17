namespace OrleansPd.Engines.Answers;

/// <summary>
/// One server-sent event. Its bytes are valid until the next call of the framer or until the chunk is overwritten.
/// </summary>
public readonly ref struct SseEvent
{
    internal SseEvent(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> data)
    {
        Raw = raw;
        Data = data;
    }

    /// <summary>All bytes of the event as received, including the blank line at its end: what a relay writes.</summary>
    public ReadOnlySpan<byte> Raw { get; }

    /// <summary>The payload of its <c>data:</c> lines, joined by newlines if there are several; empty if there is none.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Whether this is the end marker <c>[DONE]</c>. A stream without one has failed.</summary>
    public bool IsDone => Data.Length >= 6 && Data.Trim(" \t"u8).SequenceEqual("[DONE]"u8);
}

/// <summary>The result of <see cref="SseFramer.Read"/>.</summary>
public enum SseReadResult : byte
{
    /// <summary>The chunk is consumed; its last, incomplete event is kept until the next chunk.</summary>
    NeedMore,

    /// <summary>An event was read.</summary>
    Event,

    /// <summary>An event is larger than allowed. The stream cannot be framed any more.</summary>
    TooLong,
}
