using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Generation;

/// <summary>A route that engines serve and the gateway passes on.</summary>
/// <param name="Path">Path here and on the engine.</param>
/// <param name="Dialect">How its errors are written.</param>
/// <param name="MayOmitContentType">
/// Engines read a body without <c>Content-Type</c> as JSON. True for their native routes; their OpenAI routes refuse it.
/// </param>
/// <param name="Handler">Reads the body.</param>
internal sealed record EngineRoute(string Path, Dialect Dialect, bool MayOmitContentType, IEngineRequestHandler Handler);

/// <summary>
/// What a kind of engine request has of its own; everything else is the same for all of them, see <see cref="RequestPipeline"/>.
/// </summary>
internal interface IEngineRequestHandler
{
    /// <summary>
    /// Reads the body as far as the choice of an engine needs it, and sets <see cref="ClientRequest.Model"/>,
    /// <see cref="ClientRequest.Tokens"/> and, where it scans the body, <see cref="ClientRequest.Shape"/>.
    /// </summary>
    /// <returns>Why the request is refused; null when it can be sent.</returns>
    AnswerError? Parse(ClientRequest request);

    DispatchCall CallOf(ClientRequest request);
}
