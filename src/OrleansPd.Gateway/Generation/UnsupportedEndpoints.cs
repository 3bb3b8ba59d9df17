namespace OrleansPd.Gateway.Generation;

/// <summary>
/// Refuses every route that is not served. Engines have generation routes without bootstrap members: passed on, such a request
/// reaches a prefill engine without a room and can end it. So only known routes are passed on.
/// </summary>
internal sealed class UnsupportedEndpoints : IEndpoints
{
    private static readonly (string Path, string Instead)[] Known =
    [
        ("/v1/responses", "use /v1/chat/completions"),
        ("/v1/messages", "use /v1/chat/completions"),
        ("/api/chat", "use /v1/chat/completions"),
        ("/api/generate", "use /generate or /v1/completions"),
        ("/invocations", "use /v1/chat/completions"),
        ("/vertex_generate", "use /generate"),
        ("/v1/audio/transcriptions", "transcription cannot run on prefill-decode pairs"),
    ];

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var (path, instead) in Known)
        {
            var error = new AnswerError(501, "not_implemented", $"{path} is not supported; {instead}.");
            routes.Map(path, context => ErrorResponse.WriteAsync(context, error));
        }
        routes.MapFallback("{**path}", (HttpContext context) => ErrorResponse.WriteAsync(context, new AnswerError(
            404, "not_found", $"There is no route {context.Request.Method} {context.Request.Path}.")));
    }
}
