using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Hosting;

namespace OrleansPd.Simulator.Http;

/// <summary>The API listener of an engine: keys, routes, error shapes.</summary>
internal sealed class EngineApi
{
    private static readonly string[] RustRoutes =
    [
        "/generate", "/v1/chat/completions", "/v1/completions", "/health", "/health_generate", "/server_info", "/model_info",
        "/get_model_info", "/v1/models",
    ];

    private readonly EngineProcess _engine;
    private readonly Dictionary<string, Route> _routes;
    private readonly ModelCalls _models;
    private readonly SimCalls _sim;

    public EngineApi(EngineProcess engine)
    {
        _engine = engine;
        var intake = new RequestIntake(engine);
        var generate = new GenerateCall(engine, intake);
        var chat = new ChatCall(engine, intake);
        var completions = new CompletionCall(engine, intake);
        var info = new InfoCalls(engine);
        var health = new HealthCalls(engine);
        var control = new ControlCalls(engine);
        var loads = new LoadCalls(engine);
        var trainer = new TrainerCalls(engine);
        var embeddings = new EmbeddingCalls(engine);
        _models = new ModelCalls(engine);
        _sim = new SimCalls(engine);
        _routes = new Dictionary<string, Route>(StringComparer.Ordinal)
        {
            ["/"] = new("GET", Level.Normal, context => context.TextAsync(200, "\"SGLang is running\"", "application/json")),
            ["/generate"] = new("POST PUT", Level.Normal, generate.AnswerAsync),
            ["/v1/chat/completions"] = new("POST", Level.Normal, chat.AnswerAsync),
            ["/invocations"] = new("POST", Level.Normal, chat.AnswerAsync),
            ["/v1/completions"] = new("POST", Level.Normal, completions.AnswerAsync),
            ["/v1/models"] = new("GET", Level.Normal, _models.ListAsync),
            ["/model_info"] = new("GET", Level.Normal, _models.InfoAsync),
            ["/get_model_info"] = new("GET", Level.Normal, _models.InfoAsync),
            ["/server_info"] = new("GET", Level.Normal, info.ServerInfoAsync),
            ["/get_server_info"] = new("GET", Level.Normal, info.ServerInfoAsync),
            ["/v1/loads"] = new("GET", Level.Normal, loads.LoadsAsync),
            ["/get_load"] = new("GET", Level.Normal, loads.OldLoadAsync),
            ["/health"] = new("GET", Level.Open, health.HealthAsync),
            ["/health_generate"] = new("GET", Level.Open, health.HealthAsync),
            ["/ping"] = new("GET POST", Level.Normal, context => context.TextAsync(200, "")),
            ["/metrics"] = new("GET", Level.Open, new MetricsCall(engine).AnswerAsync),
            ["/tokenize"] = new("POST", Level.Normal, TokenizeCalls.TokenizeAsync),
            ["/v1/tokenize"] = new("POST", Level.Normal, TokenizeCalls.TokenizeAsync),
            ["/detokenize"] = new("POST", Level.Normal, TokenizeCalls.DetokenizeAsync),
            ["/v1/detokenize"] = new("POST", Level.Normal, TokenizeCalls.DetokenizeAsync),
            ["/abort_request"] = new("POST", Level.Admin, control.AbortAsync),
            ["/flush_cache"] = new("GET POST", Level.Admin, control.FlushAsync),
            ["/pause_generation"] = new("POST", Level.Admin, control.PauseAsync),
            ["/continue_generation"] = new("POST", Level.Admin, control.ContinueAsync),
            ["/update_weights_from_disk"] = new("POST", Level.Admin, control.UpdateWeightsAsync),
            ["/init_weights_update_group"] = new(
                "POST", Level.Admin, trainer.Agree("master_address", "rank_offset", "world_size")),
            ["/destroy_weights_update_group"] = new("POST", Level.Admin, trainer.Agree()),
            ["/update_weights_from_distributed"] = new("POST", Level.Admin, trainer.Agree("names", "dtypes", "shapes")),
            ["/update_weights_from_tensor"] = new("POST", Level.Admin, trainer.Agree("serialized_named_tensors")),
            ["/update_weights_from_ipc"] = new("POST", Level.Admin, trainer.Agree("zmq_handles")),
            ["/update_weight_version"] = new("POST", Level.Admin, trainer.Agree("new_version")),
            ["/release_memory_occupation"] = new("GET POST", Level.Admin, trainer.Agree()),
            ["/resume_memory_occupation"] = new("GET POST", Level.Admin, trainer.Agree()),
            ["/load_lora_adapter"] = new("POST", Level.Admin, trainer.LoadAdapterAsync),
            ["/unload_lora_adapter"] = new("POST", Level.Admin, trainer.UnloadAdapterAsync),
            ["/slow_down"] = new("GET POST", Level.Admin, trainer.Agree()),
            ["/set_internal_state"] = new("POST PUT", Level.Admin, trainer.Agree()),
            ["/v1/embeddings"] = new("POST", Level.Normal, embeddings.EmbeddingsAsync),
            ["/v1/rerank"] = new("POST PUT", Level.Normal, embeddings.RerankAsync),
            ["/v1/score"] = new("POST", Level.Normal, embeddings.ScoresAsync),
            ["/v1/classify"] = new("POST", Level.Normal, embeddings.ScoresAsync),
            ["/start_profile"] = new("GET POST", Level.Admin, context => context.TextAsync(200, "Start profiling.\n")),
            ["/stop_profile"] = new(
                "GET POST", Level.Admin, context => context.TextAsync(200, "Stop profiling. This will take some time.\n")),
            ["/pd_role_switch"] = new("POST", Level.Admin, control.SwitchRoleAsync),
        };
        if (engine.Options.RustFrontEnd)
        {
            _routes = RustRoutes.ToDictionary(path => path, path => _routes[path], StringComparer.Ordinal);
            _routes["/server_info"] = new("GET", Level.Normal, info.RustServerInfoAsync);
        }
    }

    private enum Level
    {
        Open,
        Normal,
        Admin,
    }

    public async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "/";
        try
        {
            if (path.StartsWith("/sim/", StringComparison.Ordinal))
            {
                await _sim.AnswerAsync(context, path);
            }
            else if (_engine.Faults.TryTake(FaultKind.Refuse, null, null) is not null)
            {
                EventStream.Reset(context);
            }
            else
            {
                await RouteAsync(context, path);
            }
        }
        catch (FatalRequest fatal)
        {
            _engine.Stats.AddRouterError(fatal.Message);
            _engine.Die(fatal.Message);
            await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (ApiError error)
        {
            await AnswerErrorAsync(context, path, error);
        }
        catch (Exception e) when (
            e is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone; its requests are ended by whoever watches it.
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or OverflowException or KeyNotFoundException)
        {
            // A member of a kind nobody expected.
            await AnswerErrorAsync(context, path, new ApiError(400, e.Message, "Bad Request"));
        }
    }

    /// <summary>The body as JSON; throws the engine's own refusal where it is none.</summary>
    public static async Task<JsonDocument> ReadBodyAsync(HttpContext context, bool mustSayJson)
    {
        var type = context.Request.ContentType?.Split(';')[0].Trim();
        var json = string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase);
        if (!json && (mustSayJson || !string.IsNullOrEmpty(type)))
        {
            throw new ApiError(400, "Unsupported Media Type: Only 'application/json' is allowed", "Bad Request");
        }

        JsonDocument? body = null;
        try
        {
            body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
            if (body.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new JsonException("Input should be a valid dictionary or object to extract fields from");
            }

            return body;
        }
        catch (JsonException e)
        {
            body?.Dispose();
            throw new ApiError(400, $"1 validation error:\n  {{'type': 'json_invalid', 'msg': '{e.Message}'}}", "Bad Request");
        }
    }

    private async Task RouteAsync(HttpContext context, string path)
    {
        if (_engine.EmbeddedBootstrap is { } bootstrap && path is "/route" or "/register_dp_rank" or "/query_dp_ranks")
        {
            await bootstrap.AnswerAsync(context);
            return;
        }

        _routes.TryGetValue(path, out var route);
        if (!Allowed(context, path, route?.Level ?? Level.Normal))
        {
            await context.TextAsync(401, "{\"error\":\"Unauthorized\"}", "application/json");
        }
        else if (path.StartsWith("/v1/models/", StringComparison.Ordinal) && context.Request.Method == "GET")
        {
            await _models.OneAsync(context, Uri.UnescapeDataString(path["/v1/models/".Length..]));
        }
        else if (route is null)
        {
            await context.TextAsync(404, "{\"detail\":\"Not Found\"}", "application/json");
        }
        else if (!route.Methods.Split(' ').Contains(context.Request.Method))
        {
            await context.TextAsync(405, "{\"detail\":\"Method Not Allowed\"}", "application/json");
        }
        else
        {
            await route.Handler(context);
        }
    }

    private bool Allowed(HttpContext context, string path, Level level)
    {
        var options = _engine.Options;
        if (level == Level.Open || options.RustFrontEnd || context.Request.Method == "OPTIONS"
            || path.StartsWith("/health", StringComparison.Ordinal) || path.StartsWith("/metrics", StringComparison.Ordinal))
        {
            return true;
        }

        var wanted = level == Level.Admin && options.AdminApiKey is not null ? options.AdminApiKey : options.ApiKey;
        if (string.IsNullOrEmpty(wanted))
        {
            return true;
        }

        var given = context.Request.Headers.Authorization.ToString();
        return given.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && given["Bearer ".Length..] == wanted;
    }

    private static async Task AnswerErrorAsync(HttpContext context, string path, ApiError error)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        if (path == "/generate" && error.Status == 500)
        {
            await context.TextAsync(500, "Internal Server Error");
        }
        else if (path == "/generate" && error.Type == "BadRequestError")
        {
            await context.JsonAsync(error.Status, json => ApiError.WriteNative(json, error.Message));
        }
        else
        {
            await context.JsonAsync(error.Status, json => ApiError.WriteFlat(json, error.Message, error.Type, error.Status));
        }
    }

    /// <summary>
    /// The faults that strike a generation call before the engine sees it. True where it is answered, or never will be.
    /// </summary>
    public static async Task<bool> StruckAsync(HttpContext context, EngineProcess engine, string rid)
    {
        if (engine.Faults.TryTake(FaultKind.Status, null, rid) is { } status)
        {
            if (status.Delay is { } delay)
            {
                await Task.Delay(delay, engine.Clock, context.RequestAborted);
            }

            var code = status.Status ?? 500;
            if (status.RetryAfter is { } seconds)
            {
                context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
            }

            await context.BytesAsync(
                code,
                status.Body is { } text
                    ? Encoding.UTF8.GetBytes(text)
                    : Replies.Json(json => ApiError.WriteFlat(json, "Injected fault.", $"{code}", code)),
                "application/json");
            return true;
        }

        if (engine.Faults.TryTake(FaultKind.Reset, null, rid) is not null)
        {
            EventStream.Reset(context);
            return true;
        }

        if (engine.Faults.TryTake(FaultKind.Hang, null, rid) is { } hang)
        {
            await Task.Delay(hang.Delay ?? Timeout.InfiniteTimeSpan, engine.Clock, context.RequestAborted);
            return hang.Delay is null;
        }

        return false;
    }

    private sealed record Route(string Methods, Level Level, Func<HttpContext, Task> Handler);
}
