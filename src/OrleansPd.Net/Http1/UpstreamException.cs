namespace OrleansPd.Net.Http1;

/// <summary>An engine sent no response, or not all of it.</summary>
/// <param name="neverSent">True when the engine cannot have received the request: no connection was made.</param>
public sealed class UpstreamException(bool neverSent, string message, Exception? inner = null) : Exception(message, inner)
{
    public bool NeverSent { get; } = neverSent;

    /// <summary>
    /// The connection was reused after it had been idle, and failed at once without a byte of response. Probably the engine
    /// closed it for idleness at that moment and did not read the request. That is not certain, so the same request must not be
    /// sent again.
    /// </summary>
    public bool WasStale { get; init; }
}
