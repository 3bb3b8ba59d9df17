namespace OrleansPd.Simulator.Http;

/// <summary>The API of an engine: checks keys, finds the route, formats errors.</summary>
internal sealed class EngineApi
{
    private readonly EngineProcess _engine;
    private readonly Dictionary<string, ApiRoute> _routes;
    private readonly ModelCalls _models;
    private readonly SimCalls _sim;

    public EngineApi(EngineProcess engine)
    {
        _engine = engine;
        _models = new ModelCalls(engine);
        _sim = new SimCalls(engine);
        _routes = ApiRoutes.Of(engine, _models);
    }

    public async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "/";
        try
        {
            if (path.StartsWith("/sim/", StringComparison.Ordinal))
                await _sim.AnswerAsync(context, path);
            else if (_engine.Faults.TryTake(FaultKind.Refuse, null, null) is not null)
                EventStream.Reset(context);
            else
                await RouteAsync(context, path);
        }
        catch (FatalRequest fatal)
        {
            _engine.Stats.AddRouterError(fatal.Message);
            _engine.Die(fatal.Message);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (ApiError error)
        {
            await AnswerErrorAsync(context, path, error);
        }
        catch (Exception e) when (
            e is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            // The client has closed the connection; ClientWatch ends its requests.
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or OverflowException or KeyNotFoundException)
        {
            // A member has an unexpected JSON type.
            await AnswerErrorAsync(context, path, new ApiError(400, e.Message, "Bad Request"));
        }
    }

    /// <summary>The body as JSON. Throws the engine's own error when it is not a JSON object.</summary>
    public static async Task<JsonDocument> ReadBodyAsync(HttpContext context, bool mustSayJson)
    {
        var type = context.Request.ContentType?.Split(';')[0].Trim();
        var json = string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase);
        if (!json && (mustSayJson || !string.IsNullOrEmpty(type)))
            throw new ApiError(400, "Unsupported Media Type: Only 'application/json' is allowed", "Bad Request");
        JsonDocument? body = null;
        try
        {
            body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
            if (body.RootElement.ValueKind != JsonValueKind.Object)
                throw new JsonException("Input should be a valid dictionary or object to extract fields from");
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
        if (!Allowed(context, path, route?.Level ?? ApiLevel.Normal))
            await context.TextAsync(401, "{\"error\":\"Unauthorized\"}", "application/json");
        else if (path.StartsWith("/v1/models/", StringComparison.Ordinal) && context.Request.Method == "GET")
            await _models.OneAsync(context, Uri.UnescapeDataString(path["/v1/models/".Length..]));
        else if (route is null)
            await context.TextAsync(404, "{\"detail\":\"Not Found\"}", "application/json");
        else if (!route.Methods.Split(' ').Contains(context.Request.Method))
            await context.TextAsync(405, "{\"detail\":\"Method Not Allowed\"}", "application/json");
        else
            await route.Handler(context);
    }

    private bool Allowed(HttpContext context, string path, ApiLevel level)
    {
        var options = _engine.Options;
        if (level == ApiLevel.Open || options.RustFrontEnd || context.Request.Method == "OPTIONS"
            || path.StartsWith("/health", StringComparison.Ordinal) || path.StartsWith("/metrics", StringComparison.Ordinal))
        {
            return true;
        }
        var wanted = level == ApiLevel.Admin && options.AdminApiKey is not null ? options.AdminApiKey : options.ApiKey;
        if (string.IsNullOrEmpty(wanted))
            return true;
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
            await context.TextAsync(500, "Internal Server Error");
        else if (path == "/generate" && error.Type == "BadRequestError")
            await context.JsonAsync(error.Status, json => ApiError.WriteNative(json, error.Message));
        else
            await context.JsonAsync(error.Status, json => ApiError.WriteFlat(json, error.Message, error.Type, error.Status));
    }

    /// <summary>
    /// Applies the faults that hit a generation call before the engine handles it. True when the call needs no further handling.
    /// </summary>
    public static async Task<bool> ApplyFaultsAsync(HttpContext context, EngineProcess engine, string rid)
    {
        if (engine.Faults.TryTake(FaultKind.Status, null, rid) is { } status)
        {
            if (status.Delay is { } delay)
                await Task.Delay(delay, engine.Clock, context.RequestAborted);
            var code = status.Status ?? 500;
            if (status.RetryAfter is { } seconds)
                context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
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
}
