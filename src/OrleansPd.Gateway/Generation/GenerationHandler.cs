using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Generation;

/// <summary>
/// One request from its bytes to its answer:
/// <list type="number">
/// <item>the body is read once and scanned once; what is wrong with it is said here and reaches no engine;</item>
/// <item>the model is looked up, a request id that is live already is refused;</item>
/// <item>the dispatcher does the rest (admission, pair, rooms, both legs) and gives the answer to the sink;</item>
/// <item>what happened is counted and kept for <c>/debug/requests</c>.</item>
/// </list>
/// </summary>
internal sealed class GenerationHandler(
    GatewayOptions options, IControlPlane controlPlane, RequestDispatcher dispatcher, ModelNames models, RequestIds ids,
    GatewayMetrics metrics, RequestLog log, DispatchTelemetry telemetry, TimeProvider clock, ILogger<GenerationHandler> logger)
{
    private const int PrefixBlockBytes = 512;
    private const int MaxPrefixBlocks = 4096;

    /// <summary>What an answer of no stated length is charged to a key's limit.</summary>
    private const int UnaskedTokens = 512;

    private readonly ScanLimits _limits = new()
    {
        MaxDepth = options.MaxJsonDepth,
        MaxBatch = options.MaxBatch,
        MaxSamples = options.MaxSamples,
    };

    public async Task HandleAsync(HttpContext context, Dialect dialect, string route)
    {
        var started = clock.GetTimestamp();
        var sink = new HttpAnswerSink(context, dialect, clock);
        var id = ids.Of(context);
        var end = new RequestEnd("internal_error", "gateway", null);
        using var span = RequestSpan.Start(telemetry, context, route, id);
        metrics.Started();
        try
        {
            end = await RunAsync(context, dialect, route, id, started, sink, span);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            end = RequestEnd.ClientGone;
        }
        catch (BadHttpRequestException e)
        {
            end = new RequestEnd("bad_request", "client", null);
            await RefuseAsync(sink, new AnswerError(e.StatusCode, "bad_request", e.Message));
        }
        catch (IOException e) when (e is not ConnectionResetException && sink.Status == 0)
        {
            // The web server's word for a body whose framing makes no sense.
            end = RequestEnd.Client("bad_request");
            context.Response.Headers.Connection = "close";
            await RefuseAsync(sink, new AnswerError(400, "bad_request", "The body of the request cannot be read."));
        }
        catch (ConnectionResetException)
        {
            end = RequestEnd.ClientGone;
        }
        catch (Exception e)
        {
            Log.RequestFailed(logger, e, id);
            await RefuseAsync(sink, new AnswerError(500, "internal_error", "The gateway failed; its log has the details."));
        }
        finally
        {
            RequestSpan.End(span, sink.Status, end.Reason, end.Side, end.Reports);
            metrics.Ended(route, end.Reason, end.Side, clock.GetElapsedTime(started));
        }
    }

    private static async ValueTask RefuseAsync(HttpAnswerSink sink, AnswerError error)
    {
        if (sink.Status == 0)
        {
            await sink.RefuseAsync(error, CancellationToken.None);
        }
    }

    private async ValueTask<RequestEnd> RunAsync(
        HttpContext context, Dialect dialect, string route, string id, long started, HttpAnswerSink sink, Activity? span)
    {
        var gone = context.RequestAborted;
        if (HeaderError(context.Request, dialect) is { } wrong)
        {
            await sink.RefuseAsync(wrong, gone);
            return RequestEnd.Client(wrong.Code);
        }
        var body = await BodyReader.ReadAsync(context.Request, options.MaxPayloadSize, gone);
        if (body is null)
        {
            // The rest of the body is not read; Kestrel closes the connection.
            await sink.RefuseAsync(TooLong(), gone);
            return RequestEnd.Client("payload_too_large");
        }
        ClientAccount? account = null;
        DispatchCall? call = null;
        try
        {
            call = CallOf(context, dialect, route, id, span, body, out account, out var refusal);
            if (call is null)
            {
                await sink.RefuseAsync(refusal!, gone);
                return RequestEnd.Client(refusal!.Code);
            }
            var reports = await dispatcher.RunAsync(call, sink, gone);
            log.Add(new RequestRecord(id, route, clock.GetUtcNow(), reports));
            return Account(reports, started);
        }
        finally
        {
            body.Dispose();
            if (call is not null)
            {
                account?.Leave();
            }
            if (call?.Live is { } live)
            {
                dispatcher.LiveRequests.Remove(live);
                dispatcher.LiveRids.Remove(call.ClientRids);
            }
        }
    }

    /// <summary>
    /// What the body asks for; null where it is refused. A call holds a place of its client's account, and its ids, until it has
    /// ended.
    /// </summary>
    private DispatchCall? CallOf(
        HttpContext context, Dialect dialect, string route, string id, Activity? span, SharedBody body,
        out ClientAccount? account, out AnswerError? refusal)
    {
        account = null;
        var shape = new RequestShape();
        if (!RequestScanner.TryScan(body.Memory.Span, dialect, _limits, shape, out var error))
        {
            refusal = new AnswerError(400, "invalid_request", error.Message, Param: error.Param);
            return null;
        }
        shape.TryGetModel(body.Memory.Span, out var named);
        if (!models.TryFind(named, out var model, out refusal))
        {
            return null;
        }
        account = ClientAuthentication.AccountOf(context);
        refusal = account?.Enter(TokensOf(shape));
        if (refusal is not null)
        {
            return null;
        }
        try
        {
            var rids = ClientRids(body, shape);
            var call = new DispatchCall
            {
                Path = route,
                Body = body,
                Shape = shape,
                ClientRids = rids,
                Pair = PairOf(context, body, shape, model, id, account?.Spec.Priority ?? 0),
                // The native route of engines reads no model: there an adapter in its name is told apart too.
                LoraPath = model.IsInName && shape.Dialect != Dialect.Generate ? null : model.Adapter,
                Authorization = ClientKey.ForEngines(context),
                Headers = ForwardedHeaders.Of(context.Request.Headers, withTrace: span is null),
                Trace = span?.Context ?? default,
            };
            if (rids.Length == 0 || dispatcher.LiveRids.TryAdd(rids) is not { } live)
            {
                call.Live = rids.Length == 0 ? null : dispatcher.LiveRequests.Add(RidOf(body, shape), rids);
                return call;
            }
            refusal = new AnswerError(400, "duplicate_rid", $"Duplicate request ID detected: {live}", Param: "rid");
        }
        catch
        {
            account?.Leave();
            throw;
        }
        account?.Leave();
        return null;
    }

    private RequestEnd Account(IReadOnlyList<DispatchReport> reports, long started)
    {
        var (reason, side) = ("ok", "none");
        for (var i = 0; i < reports.Count; i++)
        {
            var report = reports[i];
            var hadContent = false;
            for (var j = 0; j < report.Attempts.Count; j++)
            {
                var attempt = report.Attempts[j];
                metrics.Routed(attempt.Lease.RouteExplanation.Route);
                if (attempt.Verdict is { IsSuccess: false } failed)
                {
                    metrics.Failed(failed);
                }
                if (attempt.FirstContentAt != 0 && !hadContent)
                {
                    hadContent = true;
                    metrics.HadContent(clock.GetElapsedTime(started, attempt.FirstContentAt));
                }
            }
            if (report.Reason != "ok" && reason is "ok" or "client_gone")
            {
                // The parts that a failing one has taken with it were cancelled by us; the failing one tells why.
                (reason, side) = (report.Reason, report.Verdict is { } verdict ? GatewayMetrics.SideOf(verdict.Blame)
                    : "gateway");
            }
        }
        return new RequestEnd(reason, side, reports);
    }

    /// <summary>How a request ended, in the bounded words of the metrics.</summary>
    private readonly record struct RequestEnd(string Reason, string Side, IReadOnlyList<DispatchReport>? Reports)
    {
        public static RequestEnd ClientGone { get; } = Client("client_gone");

        public static RequestEnd Client(string reason) => new(reason, "client", null);
    }

    /// <summary>Tokens that a request may come to, for a key's limit: its prompt, and for each answer what it asks for.</summary>
    private static long TokensOf(RequestShape shape) => shape.PromptTokensEstimate
        + ((long)shape.Items * shape.Samples * (shape.MaxNewTokens < 0 ? UnaskedTokens : shape.MaxNewTokens));

    private PairRequest PairOf(
        HttpContext context, SharedBody body, RequestShape shape, in FoundModel model, string id, int priority)
    {
        // Of both, engines take the one in the model's name.
        var adapters = model.Adapter ?? shape.GetAdapters(body.Memory.Span);
        var blocks = ReadOnlyMemory<ulong>.Empty;
        if (controlPlane.UsesPrefixBlocks)
        {
            var all = new ulong[(int)Math.Min(MaxPrefixBlocks, shape.PromptBytes / PrefixBlockBytes)];
            blocks = all.AsMemory(0, PrefixBlocks.Compute(body.Memory.Span, shape, PrefixBlockBytes, all));
            if (adapters is not null)
            {
                Salt(all, SessionHash.Of(adapters));
            }
        }
        return new PairRequest
        {
            Model = model.Model,
            Adapters = adapters,
            Items = shape.Items,
            PromptTokens = shape.PromptTokensEstimate,
            MaxNewTokens = shape.MaxNewTokens,
            PrefixBlocks = blocks,
            SessionKey = SessionOf(context, body, shape),
            MaxWait = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
            RequestId = id,
            Priority = priority,
        };
    }

    /// <summary>What one adapter has computed is of no use to another: engines keep their prefixes apart.</summary>
    private static void Salt(Span<ulong> blocks, ulong salt)
    {
        foreach (ref var block in blocks)
        {
            block ^= salt;
        }
    }

    private static ulong SessionOf(HttpContext context, SharedBody body, RequestShape shape)
    {
        if (!shape.SessionKey.IsNone)
        {
            return SessionHash.Of(shape.SessionKey.Of(body.Memory.Span));
        }
        return ForwardedHeaders.SessionOf(context.Request.Headers) is { } header ? SessionHash.Of(header) : 0;
    }

    /// <summary>The client's id for the whole request; null where it gave one for each prompt.</summary>
    private static string? RidOf(SharedBody body, RequestShape shape) =>
        shape.RidKind == RidKind.String && shape.TryGetRid(body.Memory.Span, out var rid) ? rid : null;

    /// <summary>
    /// The ids as the engine will name the requests: a string on a batch becomes <c>rid_0</c>, <c>rid_1</c>, ... (protocol §1.2).
    /// </summary>
    private static string[] ClientRids(SharedBody body, RequestShape shape)
    {
        var bytes = body.Memory.Span;
        switch (shape.RidKind)
        {
            case RidKind.String when shape.TryGetRid(bytes, out var rid):
                if (!shape.IsBatch)
                {
                    return [rid];
                }
                var numbered = new string[shape.Items];
                for (var i = 0; i < numbered.Length; i++)
                {
                    numbered[i] = string.Create(CultureInfo.InvariantCulture, $"{rid}_{i}");
                }
                return numbered;
            case RidKind.List:
                var rids = new string[shape.RidItems.Length];
                for (var i = 0; i < rids.Length; i++)
                {
                    rids[i] = shape.GetRid(bytes, i);
                }
                return rids;
            default:
                return [];
        }
    }

    private static AnswerError? HeaderError(HttpRequest request, Dialect dialect)
    {
        var type = request.ContentType;
        var json = type is not null && IsJson(type);
        if (!json && (dialect != Dialect.Generate || !string.IsNullOrEmpty(type)))
        {
            return new AnswerError(400, "unsupported_media_type", "The request must say 'Content-Type: application/json'.");
        }
        if (request.Headers.ContentEncoding.Count > 0 && request.Headers.ContentEncoding != "identity")
        {
            return new AnswerError(
                400, "unsupported_encoding", "Compressed request bodies are not understood by the engines; send plain JSON.");
        }
        return null;
    }

    private static bool IsJson(ReadOnlySpan<char> type)
    {
        var end = type.IndexOf(';');
        return (end < 0 ? type : type[..end]).Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase);
    }

    private AnswerError TooLong() => new(413, "payload_too_large",
        string.Create(CultureInfo.InvariantCulture,
            $"The request body is larger than the {options.MaxPayloadSize} bytes allowed (--max-payload-size)."));
}
