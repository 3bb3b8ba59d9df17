using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Generation;

/// <summary>
/// Everything that is not served. Engines have generation routes without bootstrap members: passed on, such a request reaches a
/// prefill without a room and can end the engine (protocol §1.5, §2.8). So nothing is passed on that is not known.
/// </summary>
internal sealed class OtherRoutes(TimeProvider clock)
{
    private static readonly (string Path, string Instead)[] NotServed =
    [
        ("/v1/responses", "Use /v1/chat/completions."),
        ("/v1/messages", "Use /v1/chat/completions."),
        ("/api/chat", "Use /v1/chat/completions."),
        ("/api/generate", "Use /generate or /v1/completions."),
        ("/invocations", "Use /v1/chat/completions."),
        ("/vertex_generate", "Use /generate."),
        ("/v1/audio/transcriptions", "Transcription cannot run on prefill-decode pairs."),
    ];

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var (path, instead) in NotServed)
        {
            routes.Map(path, context => RefuseAsync(
                context, new AnswerError(501, "not_implemented",
                    $"{path} has no bootstrap members and is not served by a prefill-decode gateway. {instead}")));
        }
        routes.MapFallback("{**path}", context => RefuseAsync(
            context, new AnswerError(404, "not_found", $"There is no {context.Request.Method} {context.Request.Path} here.")));
    }

    private Task RefuseAsync(HttpContext context, AnswerError error) =>
        new HttpAnswerSink(context, Dialect.Chat, clock).RefuseAsync(error, context.RequestAborted).AsTask();
}
