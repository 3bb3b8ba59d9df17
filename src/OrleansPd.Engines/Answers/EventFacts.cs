namespace OrleansPd.Engines.Answers;

/// <summary>What one event of an answer stream means.</summary>
public enum EventKind : byte
{
    /// <summary>Not a JSON object of a known shape.</summary>
    Malformed,

    /// <summary>Generated text, ids or tool calls.</summary>
    Content,

    /// <summary>A chat chunk that generates nothing yet: the role, or an empty delta.</summary>
    RoleOnly,

    /// <summary>The usage chunk of an OpenAI stream.</summary>
    Usage,

    /// <summary>Well formed and harmless, but none of the others (an <c>sglext</c> chunk, for example).</summary>
    Other,

    /// <summary>The last chunk of an answer (of one choice), for a reason other than an abort.</summary>
    Finish,

    /// <summary>The engine gave up on the request, or it was aborted.</summary>
    Abort,

    /// <summary>An error frame.</summary>
    Error,

    /// <summary>The end marker <c>[DONE]</c>.</summary>
    Done,
}

/// <summary>The meaning of an event with its details.</summary>
/// <param name="Kind">The meaning.</param>
/// <param name="Message">The engine's message for an error or an abort, if it sent one.</param>
/// <param name="Code">The HTTP status of an error or an abort; null if the engine sent none.</param>
/// <param name="Reason">Why an answer ended (<c>stop</c>, <c>length</c>, ...); set with <see cref="EventKind.Finish"/>
/// only.</param>
public readonly record struct EventFacts(EventKind Kind, string? Message = null, int? Code = null, string? Reason = null);
