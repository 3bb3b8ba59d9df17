using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Generation;

/// <summary>The routes that generate, for pairs: SGLang's native one and the two of OpenAI.</summary>
internal sealed class GenerationEndpoints(
    GatewayOptions options, IControlPlane controlPlane, ModelNames models, RequestPipeline pipeline)
    : IEngineRequestHandler, IEndpoints
{
    private const int PrefixBlockBytes = 512;
    private const int MaxPrefixBlocks = 4096;

    /// <summary>Answer tokens that a request without a limit is charged for.</summary>
    private const int DefaultAnswerTokens = 512;

    private readonly ScanLimits _limits = new()
    {
        MaxDepth = options.MaxJsonDepth,
        MaxBatch = options.MaxBatch,
        MaxSamples = options.MaxSamples,
    };

    public void Map(IEndpointRouteBuilder routes)
    {
        pipeline.Map(routes, new("/generate", Dialect.Generate, MayOmitContentType: true, this), "POST", "PUT");
        pipeline.Map(routes, new("/v1/chat/completions", Dialect.Chat, MayOmitContentType: false, this), "POST");
        pipeline.Map(routes, new("/v1/completions", Dialect.Completions, MayOmitContentType: false, this), "POST");
    }

    public AnswerError? Parse(ClientRequest request)
    {
        var shape = request.Shape = new RequestShape();
        var bytes = request.Body.Memory.Span;
        if (!RequestScanner.TryScan(bytes, request.Route.Dialect, _limits, shape, out var error))
            return new AnswerError(400, "invalid_request", error.Message, Param: error.Param);
        shape.TryGetModel(bytes, out var name);
        if (!models.TryFind(name, out var model, out var unknown))
            return unknown;
        request.Model = model;
        var answer = shape.MaxNewTokens < 0 ? DefaultAnswerTokens : shape.MaxNewTokens;
        request.Tokens = shape.PromptTokensEstimate + ((long)shape.Items * shape.Samples * answer);
        return null;
    }

    public DispatchCall CallOf(ClientRequest request)
    {
        var shape = request.Shape;
        return new()
        {
            Path = request.Route.Path,
            Body = request.Body,
            Shape = shape,
            ClientRids = ClientRids(request.Body, shape),
            Pair = PairOf(request, shape),
            // The OpenAI routes of engines find an adapter in the model's name; their native route reads no model.
            LoraPath = request.Model.IsInName && shape.Dialect != Dialect.Generate ? null : request.Model.Adapter,
            Authorization = request.Authorization,
            Headers = request.Headers,
            Trace = request.Trace,
        };
    }

    private PairRequest PairOf(ClientRequest request, RequestShape shape)
    {
        var bytes = request.Body.Memory.Span;
        // Engines prefer the adapter in the model's name to the one in the body.
        var adapters = request.Model.Adapter ?? shape.GetAdapters(bytes);
        var blocks = ReadOnlyMemory<ulong>.Empty;
        if (controlPlane.UsesPrefixBlocks)
        {
            var all = new ulong[(int)Math.Min(MaxPrefixBlocks, shape.PromptBytes / PrefixBlockBytes)];
            blocks = all.AsMemory(0, PrefixBlocks.Compute(bytes, shape, PrefixBlockBytes, all));
            if (adapters is not null)
                Salt(all, SessionHash.Of(adapters));
        }
        return new PairRequest
        {
            Model = request.Model.Model,
            Adapters = adapters,
            Items = shape.Items,
            PromptTokens = shape.PromptTokensEstimate,
            MaxNewTokens = shape.MaxNewTokens,
            PrefixBlocks = blocks,
            SessionKey = shape.SessionKey.IsNone ? request.SessionFromHeaders : SessionHash.Of(shape.SessionKey.Of(bytes)),
            MaxWait = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
            RequestId = request.Id,
            Priority = request.Priority,
        };
    }

    /// <summary>Engines keep the prefixes of adapters apart: one cannot use what another has computed.</summary>
    private static void Salt(Span<ulong> blocks, ulong salt)
    {
        foreach (ref var block in blocks)
            block ^= salt;
    }

    /// <summary>
    /// The ids as the engine will name the requests: a string on a batch becomes <c>rid_0</c>, <c>rid_1</c>, ....
    /// </summary>
    private static string[] ClientRids(SharedBody body, RequestShape shape)
    {
        var bytes = body.Memory.Span;
        switch (shape.RidKind)
        {
            case RidKind.String when shape.TryGetRid(bytes, out var rid):
                if (!shape.IsBatch)
                    return [rid];
                var numbered = new string[shape.Items];
                for (var i = 0; i < numbered.Length; i++)
                    numbered[i] = string.Create(CultureInfo.InvariantCulture, $"{rid}_{i}");
                return numbered;
            case RidKind.List:
                var rids = new string[shape.RidItems.Length];
                for (var i = 0; i < rids.Length; i++)
                    rids[i] = shape.GetRid(bytes, i);
                return rids;
            default:
                return [];
        }
    }
}
