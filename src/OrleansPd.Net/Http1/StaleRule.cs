namespace OrleansPd.Net.Http1;

/// <summary>
/// Decides whether a connection that failed without a byte of response was closed by the engine for idleness just as the request
/// was sent. Then the engine has most likely not read the request.
/// </summary>
internal static class StaleRule
{
    /// <summary>
    /// A request on a closed connection is answered by a reset after one round trip. Later failures have other causes.
    /// </summary>
    private static readonly TimeSpan MaxResetDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Engines close idle connections. One that was used more recently than this fails because its engine does.
    /// </summary>
    private static readonly TimeSpan MinIdle = TimeSpan.FromSeconds(1);

    /// <param name="idle">How long nothing had arrived on the connection when the request was sent.</param>
    /// <param name="took">Time from the send to the failure.</param>
    public static bool Holds(TimeSpan idle, TimeSpan took) => idle >= MinIdle && took <= MaxResetDelay;
}
