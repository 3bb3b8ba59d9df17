using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Generation;

/// <summary>The routes that generate: SGLang's native one and the two of OpenAI.</summary>
internal static class GenerationEndpoints
{
    public static IEndpointRouteBuilder MapGeneration(this IEndpointRouteBuilder routes, GenerationHandler handler)
    {
        routes.MapMethods("/generate", ["POST", "PUT"], context => handler.HandleAsync(context, Dialect.Generate, "/generate"));
        routes.MapPost("/v1/chat/completions", context => handler.HandleAsync(context, Dialect.Chat, "/v1/chat/completions"));
        routes.MapPost("/v1/completions", context => handler.HandleAsync(context, Dialect.Completions, "/v1/completions"));
        return routes;
    }
}
