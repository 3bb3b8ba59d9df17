namespace OrleansPd.Simulator.Http;

/// <summary>Which key a route asks for.</summary>
internal enum ApiLevel
{
    Open,

    /// <summary>The API key, where one is set.</summary>
    Normal,

    /// <summary>The admin key, where one is set; else as <see cref="Normal"/>.</summary>
    Admin,
}

/// <summary>One route of an engine's API.</summary>
/// <param name="Methods">HTTP methods, separated by spaces.</param>
internal sealed record ApiRoute(string Methods, ApiLevel Level, Func<HttpContext, Task> Handler);

/// <summary>The routes of an engine's API, by path.</summary>
internal static class ApiRoutes
{
    private static readonly string[] Rust =
    [
        "/generate", "/v1/chat/completions", "/v1/completions", "/health", "/health_generate", "/server_info", "/model_info",
        "/get_model_info", "/v1/models",
    ];

    public static Dictionary<string, ApiRoute> Of(EngineProcess engine, ModelCalls models)
    {
        var info = new InfoCalls(engine);
        var routes = new[] { Generation(engine), Info(engine, info, models), Control(engine), Trainer(engine) }
            .SelectMany(part => part).ToDictionary(StringComparer.Ordinal);
        if (engine.Options.RustFrontEnd)
        {
            routes = Rust.ToDictionary(path => path, path => routes[path], StringComparer.Ordinal);
            routes["/server_info"] = new("GET", ApiLevel.Normal, info.RustServerInfoAsync);
        }
        return routes;
    }

    private static Dictionary<string, ApiRoute> Generation(EngineProcess engine)
    {
        var intake = new RequestIntake(engine);
        var generate = new GenerateCall(engine, intake);
        var chat = new ChatCall(engine, intake);
        var completions = new CompletionCall(engine, intake);
        var embeddings = new EmbeddingCalls(engine);
        return new()
        {
            ["/generate"] = new("POST PUT", ApiLevel.Normal, generate.AnswerAsync),
            ["/v1/chat/completions"] = new("POST", ApiLevel.Normal, chat.AnswerAsync),
            ["/invocations"] = new("POST", ApiLevel.Normal, chat.AnswerAsync),
            ["/v1/completions"] = new("POST", ApiLevel.Normal, completions.AnswerAsync),
            ["/v1/embeddings"] = new("POST", ApiLevel.Normal, embeddings.EmbeddingsAsync),
            ["/v1/rerank"] = new("POST PUT", ApiLevel.Normal, embeddings.RerankAsync),
            ["/v1/score"] = new("POST", ApiLevel.Normal, embeddings.ScoresAsync),
            ["/v1/classify"] = new("POST", ApiLevel.Normal, embeddings.ScoresAsync),
        };
    }

    private static Dictionary<string, ApiRoute> Info(EngineProcess engine, InfoCalls info, ModelCalls models)
    {
        var health = new HealthCalls(engine);
        var loads = new LoadCalls(engine);
        return new()
        {
            ["/"] = new("GET", ApiLevel.Normal, context => context.TextAsync(200, "\"SGLang is running\"", "application/json")),
            ["/v1/models"] = new("GET", ApiLevel.Normal, models.ListAsync),
            ["/model_info"] = new("GET", ApiLevel.Normal, models.InfoAsync),
            ["/get_model_info"] = new("GET", ApiLevel.Normal, models.InfoAsync),
            ["/server_info"] = new("GET", ApiLevel.Normal, info.ServerInfoAsync),
            ["/get_server_info"] = new("GET", ApiLevel.Normal, info.ServerInfoAsync),
            ["/v1/loads"] = new("GET", ApiLevel.Normal, loads.LoadsAsync),
            ["/get_load"] = new("GET", ApiLevel.Normal, loads.OldLoadAsync),
            ["/health"] = new("GET", ApiLevel.Open, health.HealthAsync),
            ["/health_generate"] = new("GET", ApiLevel.Open, health.HealthAsync),
            ["/ping"] = new("GET POST", ApiLevel.Normal, context => context.TextAsync(200, "")),
            ["/metrics"] = new("GET", ApiLevel.Open, new MetricsCall(engine).AnswerAsync),
            ["/tokenize"] = new("POST", ApiLevel.Normal, TokenizeCalls.TokenizeAsync),
            ["/v1/tokenize"] = new("POST", ApiLevel.Normal, TokenizeCalls.TokenizeAsync),
            ["/detokenize"] = new("POST", ApiLevel.Normal, TokenizeCalls.DetokenizeAsync),
            ["/v1/detokenize"] = new("POST", ApiLevel.Normal, TokenizeCalls.DetokenizeAsync),
        };
    }

    private static Dictionary<string, ApiRoute> Control(EngineProcess engine)
    {
        var control = new ControlCalls(engine);
        return new()
        {
            ["/abort_request"] = new("POST", ApiLevel.Admin, control.AbortAsync),
            ["/flush_cache"] = new("GET POST", ApiLevel.Admin, control.FlushAsync),
            ["/pause_generation"] = new("POST", ApiLevel.Admin, control.PauseAsync),
            ["/continue_generation"] = new("POST", ApiLevel.Admin, control.ContinueAsync),
            ["/update_weights_from_disk"] = new("POST", ApiLevel.Admin, control.UpdateWeightsAsync),
            ["/start_profile"] = new("GET POST", ApiLevel.Admin, context => context.TextAsync(200, "Start profiling.\n")),
            ["/stop_profile"] = new(
                "GET POST", ApiLevel.Admin, context => context.TextAsync(200, "Stop profiling. This will take some time.\n")),
            ["/pd_role_switch"] = new("POST", ApiLevel.Admin, control.SwitchRoleAsync),
        };
    }

    private static Dictionary<string, ApiRoute> Trainer(EngineProcess engine)
    {
        var trainer = new TrainerCalls(engine);
        return new()
        {
            ["/init_weights_update_group"] = new(
                "POST", ApiLevel.Admin, trainer.Agree("master_address", "rank_offset", "world_size")),
            ["/destroy_weights_update_group"] = new("POST", ApiLevel.Admin, trainer.Agree()),
            ["/update_weights_from_distributed"] = new("POST", ApiLevel.Admin, trainer.Agree("names", "dtypes", "shapes")),
            ["/update_weights_from_tensor"] = new("POST", ApiLevel.Admin, trainer.Agree("serialized_named_tensors")),
            ["/update_weights_from_ipc"] = new("POST", ApiLevel.Admin, trainer.Agree("zmq_handles")),
            ["/update_weight_version"] = new("POST", ApiLevel.Admin, trainer.Agree("new_version")),
            ["/release_memory_occupation"] = new("GET POST", ApiLevel.Admin, trainer.Agree()),
            ["/resume_memory_occupation"] = new("GET POST", ApiLevel.Admin, trainer.Agree()),
            ["/load_lora_adapter"] = new("POST", ApiLevel.Admin, trainer.LoadAdapterAsync),
            ["/unload_lora_adapter"] = new("POST", ApiLevel.Admin, trainer.UnloadAdapterAsync),
            ["/slow_down"] = new("GET POST", ApiLevel.Admin, trainer.Agree()),
            ["/set_internal_state"] = new("POST PUT", ApiLevel.Admin, trainer.Agree()),
        };
    }
}
