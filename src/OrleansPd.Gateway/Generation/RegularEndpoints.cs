using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Generation;

/// <summary>
/// Embeddings, classification, scores and reranking: such models do not split into prefill and decode, so a
/// regular worker of the model serves them.
/// </summary>
internal sealed class RegularEndpoints(
    GatewayOptions options, IControlPlane controlPlane, ModelNames models, RequestPipeline pipeline)
    : IEngineRequestHandler, IEndpoints
{
    private static readonly string[] OpenAiPaths = ["/v1/embeddings", "/v1/classify", "/v1/rerank", "/v1/score"];
    private static readonly string[] NativePaths = ["/encode", "/classify", "/rerank"];

    /// <summary>There is no tokenizer here; English has about four bytes in a token.</summary>
    private const int BytesPerToken = 4;

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var path in OpenAiPaths)
            pipeline.Map(routes, new(path, Dialect.Chat, MayOmitContentType: false, this), "POST", "PUT");
        foreach (var path in NativePaths)
            pipeline.Map(routes, new(path, Dialect.Chat, MayOmitContentType: true, this), "POST", "PUT");
    }

    public AnswerError? Parse(ClientRequest request)
    {
        if (!TryReadModel(request.Body.Memory.Span, out var name))
            return new AnswerError(400, "invalid_request", "The body must be a JSON object.");
        if (!models.TryFind(name, out var found, out var error))
            return error;
        request.Model = found;
        request.Tokens = request.Body.Memory.Length / BytesPerToken;
        var model = found.Model;
        if (controlPlane.Fleet.Regular.Any(w => model is null || w.Model == model || w.Model is null))
            return null;
        var ofModel = model is null ? "" : $" of the model '{model}'";
        return new AnswerError(
            400, "no_regular_workers",
            $"{request.Route.Path} cannot run on prefill-decode pairs; it needs a regular worker{ofModel} (--worker URL), "
            + "and there is none.");
    }

    public DispatchCall CallOf(ClientRequest request) => new()
    {
        Path = request.Route.Path,
        Body = request.Body,
        Shape = request.Shape,
        Pair = new PairRequest
        {
            OnlyRegular = true,
            Model = request.Model.Model,
            Adapters = request.Model.Adapter,
            PromptTokens = (int)Math.Max(1, request.Tokens),
            MaxNewTokens = 0,
            SessionKey = request.SessionFromHeaders,
            Priority = request.Priority,
            MaxWait = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
            RequestId = request.Id,
        },
        Authorization = request.Authorization,
        Headers = request.Headers,
        Trace = request.Trace,
    };

    /// <summary>Reads what chooses the engine; the engine checks the rest of the body.</summary>
    private static bool TryReadModel(ReadOnlySpan<byte> body, out string? model)
    {
        model = null;
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isModel = reader.ValueTextEquals("model"u8);
                reader.Read();
                if (isModel)
                    model = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
                reader.Skip();
            }
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}
