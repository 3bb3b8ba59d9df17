namespace OrleansPd.Engines.Answers;

/// <summary>
/// One server-sent event. Its bytes are valid until the next call of the framer or the end of the chunk's life.
/// </summary>
public readonly ref struct SseEvent
{
    internal SseEvent(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> data)
    {
        Raw = raw;
        Data = data;
    }

    /// <summary>All bytes of the event as they came, the blank line at its end included: what a relay passes on.</summary>
    public ReadOnlySpan<byte> Raw { get; }

    /// <summary>The payload of its <c>data:</c> lines, joined by newlines if there are several; empty if there is none.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Whether this is the end marker <c>[DONE]</c>. A stream without one has failed (protocol §1.2).</summary>
    public bool IsDone => Data.Length >= 6 && Data.Trim(" \t"u8).SequenceEqual("[DONE]"u8);
}

/// <summary>What a call of <see cref="SseFramer.Read"/> came to.</summary>
public enum SseReadResult : byte
{
    /// <summary>The chunk is used up; its last, unfinished event is kept until the next one comes.</summary>
    NeedMore,

    /// <summary>There is an event.</summary>
    Event,

    /// <summary>An event is larger than allowed. The stream cannot be framed any more.</summary>
    TooLong,
}
