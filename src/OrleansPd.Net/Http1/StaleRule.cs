namespace OrleansPd.Net.Http1;

/// <summary>
/// When a connection that broke without a byte of answer had been closed by the engine for its idleness, just as a request went
/// out on it: the engine has then most likely not read the request.
/// </summary>
internal static class StaleRule
{
    /// <summary>
    /// A closed connection is answered with a reset after one round trip; what breaks later was broken by something else.
    /// </summary>
    private static readonly TimeSpan Within = TimeSpan.FromMilliseconds(100);

    /// <summary>Engines close what is idle; a connection that was in use a moment ago breaks because its engine does.</summary>
    private static readonly TimeSpan AfterIdle = TimeSpan.FromSeconds(1);

    /// <param name="idle">How long nothing had come on the connection when the request was sent.</param>
    /// <param name="took">From then until it broke.</param>
    public static bool Holds(TimeSpan idle, TimeSpan took) => idle >= AfterIdle && took <= Within;
}
