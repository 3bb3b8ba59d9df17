using System.Diagnostics;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Generation;

/// <summary>One client request while it is in the <see cref="RequestPipeline"/>.</summary>
internal sealed class ClientRequest(HttpContext context, EngineRoute route, string id, long startedAt)
{
    public HttpContext Context => context;
    public EngineRoute Route => route;

    /// <summary>The request id: the client's <c>x-request-id</c>, else ours.</summary>
    public string Id => id;

    public long StartedAt => startedAt;

    /// <summary>Fires when the client has closed the connection.</summary>
    public CancellationToken Gone => context.RequestAborted;

    /// <summary>The span of the request; null where it is not traced.</summary>
    public Activity? Span { get; set; }

    public SharedBody Body { get; set; } = null!;

    /// <summary>The scan of the body; <see cref="RequestShape.Opaque"/> where the route's bodies are not scanned.</summary>
    public RequestShape Shape { get; set; } = RequestShape.Opaque;

    public FoundModel Model { get; set; }

    /// <summary>Prompt and answer tokens that the request is charged to its client's limit.</summary>
    public long Tokens { get; set; }

    /// <summary>The client behind the key; null where no key with limits was given.</summary>
    public ClientAccount? Account { get; } = ClientAuthentication.AccountOf(context);

    public int Priority => Account?.Spec.Priority ?? 0;

    /// <summary>The client's Authorization, for engines without a configured key; null = none.</summary>
    public string? Authorization => ClientKey.ForEngines(context);

    /// <summary>The client's headers that engines get. The trace context is left out where our own span replaces it.</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers =>
        ForwardedHeaders.Of(context.Request.Headers, withTrace: Span is null);

    public ActivityContext Trace => Span?.Context ?? default;

    /// <summary>Hash of the session that the headers name; 0 = none.</summary>
    public ulong SessionFromHeaders =>
        ForwardedHeaders.SessionOf(context.Request.Headers) is { } session ? SessionHash.Of(session) : 0;
}
