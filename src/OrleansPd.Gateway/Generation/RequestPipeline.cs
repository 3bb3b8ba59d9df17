using Microsoft.AspNetCore.Connections;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Gateway.Generation;

/// <summary>
/// The way of every request that engines serve, whatever its kind:
/// <list type="number">
/// <item>it gets an id and, where it is sampled, a span;</item>
/// <item>its headers are checked and its body is read once;</item>
/// <item>the handler of its route parses the body; what is wrong with it is answered here and reaches no engine;</item>
/// <item>it is charged to the limits of its client's key;</item>
/// <item>the dispatcher sends it to engines (admission, pair, rooms, legs) and relays the answer;</item>
/// <item>the outcome is counted and kept for <c>/debug/requests</c>.</item>
/// </list>
/// Whatever is thrown on the way becomes an error in the dialect of the route and a bounded reason with the side at fault.
/// </summary>
internal sealed class RequestPipeline(
    GatewayOptions options, RequestDispatcher dispatcher, RequestIds ids, RequestSpans spans, GatewayMetrics metrics,
    RequestLog log, TimeProvider clock, ILogger<RequestPipeline> logger)
{
    public void Map(IEndpointRouteBuilder routes, EngineRoute route, params IEnumerable<string> methods) =>
        routes.MapMethods(route.Path, methods, context => RunAsync(context, route));

    private async Task RunAsync(HttpContext context, EngineRoute route)
    {
        var request = new ClientRequest(context, route, ids.Of(context), clock.GetTimestamp());
        var sink = new HttpAnswerSink(context, route.Dialect);
        var end = RequestEnd.Failed;
        using var span = request.Span = spans.Start(context, route.Path, request.Id);
        metrics.Started();
        try
        {
            end = await ServeAsync(request, sink);
        }
        catch (OperationCanceledException) when (request.Gone.IsCancellationRequested)
        {
            end = RequestEnd.ClientGone;
        }
        catch (BadHttpRequestException e)
        {
            end = await RefuseAsync(sink, new AnswerError(e.StatusCode, "bad_request", e.Message), CancellationToken.None);
        }
        catch (ConnectionResetException)
        {
            end = RequestEnd.ClientGone;
        }
        catch (IOException) when (sink.Status == 0)
        {
            // Kestrel throws this for a body whose framing makes no sense.
            context.Response.Headers.Connection = "close";
            var error = new AnswerError(400, "bad_request", "The body of the request cannot be read.");
            end = await RefuseAsync(sink, error, CancellationToken.None);
        }
        catch (Exception e)
        {
            Log.RequestFailed(logger, e, request.Id);
            var error = new AnswerError(500, "internal_error", "The gateway failed; its log has the details.");
            await RefuseAsync(sink, error, CancellationToken.None);
        }
        finally
        {
            RequestSpans.End(span, sink.Status, end.Reason, end.Side, end.Reports);
            metrics.Ended(route.Path, end.Reason, end.Side, clock.GetElapsedTime(request.StartedAt));
        }
    }

    private async ValueTask<RequestEnd> ServeAsync(ClientRequest request, HttpAnswerSink sink)
    {
        if (HeaderError(request) is { } wrong)
            return await RefuseAsync(sink, wrong, request.Gone);
        var body = await BodyReader.ReadAsync(request.Context.Request, options.MaxPayloadSize, request.Gone);
        if (body is null)
        {
            // The rest of the body is not read; Kestrel closes the connection.
            return await RefuseAsync(sink, TooLong(), request.Gone);
        }
        request.Body = body;
        try
        {
            if ((request.Route.Handler.Parse(request) ?? request.Account?.Enter(request.Tokens)) is { } refusal)
                return await RefuseAsync(sink, refusal, request.Gone);
            try
            {
                return await DispatchAsync(request, sink);
            }
            finally
            {
                request.Account?.Leave();
            }
        }
        finally
        {
            body.Dispose();
        }
    }

    private async ValueTask<RequestEnd> DispatchAsync(ClientRequest request, HttpAnswerSink sink)
    {
        var call = request.Route.Handler.CallOf(request);
        var rids = call.ClientRids;
        if (rids.Count > 0)
        {
            if (dispatcher.LiveRids.TryAdd(rids) is { } live)
            {
                var error = new AnswerError(400, "duplicate_rid", $"Duplicate request ID detected: {live}", Param: "rid");
                return await RefuseAsync(sink, error, request.Gone);
            }
            call.Live = dispatcher.LiveRequests.Add(RidOf(request), rids);
        }
        try
        {
            var reports = await dispatcher.RunAsync(call, sink, request.Gone);
            log.Add(new RequestRecord(request.Id, request.Route.Path, clock.GetUtcNow(), reports));
            return Count(reports, request.StartedAt);
        }
        finally
        {
            if (call.Live is not null)
            {
                dispatcher.LiveRequests.Remove(call.Live);
                dispatcher.LiveRids.Remove(rids);
            }
        }
    }

    /// <summary>The client's id for the whole request; null where it gave one for each prompt.</summary>
    private static string? RidOf(ClientRequest request) =>
        request.Shape.RidKind == RidKind.String && request.Shape.TryGetRid(request.Body.Memory.Span, out var rid) ? rid : null;

    /// <summary>Answers with an error, unless part of another answer is out.</summary>
    private static async ValueTask<RequestEnd> RefuseAsync(HttpAnswerSink sink, AnswerError error, CancellationToken gone)
    {
        if (sink.Status == 0)
            await sink.RefuseAsync(error, gone);
        return RequestEnd.Refused(error);
    }

    private RequestEnd Count(IReadOnlyList<DispatchReport> reports, long started)
    {
        var end = new RequestEnd("ok", "none", reports);
        for (var i = 0; i < reports.Count; i++)
        {
            var report = reports[i];
            var hadContent = false;
            for (var j = 0; j < report.Attempts.Count; j++)
            {
                var attempt = report.Attempts[j];
                metrics.Routed(attempt.Lease.RouteExplanation.Route);
                if (attempt.Verdict is { IsSuccess: false } failed)
                    metrics.Failed(failed);
                if (attempt.FirstContentAt != 0 && !hadContent)
                {
                    hadContent = true;
                    metrics.HadContent(clock.GetElapsedTime(started, attempt.FirstContentAt));
                }
            }
            if (report.Reason != "ok" && end.Reason is "ok" or "client_gone")
            {
                // We cancel the other parts when one fails: the part that failed has the reason.
                end = new(report.Reason, report.Verdict is { } verdict ? WireName.Of(verdict.Blame) : "gateway", reports);
            }
        }
        return end;
    }

    private static AnswerError? HeaderError(ClientRequest request)
    {
        var (type, headers) = (request.Context.Request.ContentType, request.Context.Request.Headers);
        var isJson = string.IsNullOrEmpty(type) ? request.Route.MayOmitContentType : IsJson(type);
        if (!isJson)
            return new AnswerError(400, "unsupported_media_type", "The request must say 'Content-Type: application/json'.");
        if (headers.ContentEncoding.Count > 0 && headers.ContentEncoding != "identity")
        {
            return new AnswerError(
                400, "unsupported_encoding", "Engines do not read compressed request bodies; send plain JSON.");
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

    /// <summary>How a request ended, in the bounded words of the metrics.</summary>
    private readonly record struct RequestEnd(string Reason, string Side, IReadOnlyList<DispatchReport>? Reports)
    {
        public static RequestEnd Failed { get; } = new("internal_error", "gateway", null);

        public static RequestEnd ClientGone { get; } = new("client_gone", "client", null);

        public static RequestEnd Refused(AnswerError error) => new(error.Code, error.Status < 500 ? "client" : "gateway", null);
    }
}
