using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
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
/// Embeddings and their kin: such models do not split into prefill and decode (protocol §1.5), so a regular worker of the model
/// serves them. They are admitted, counted, blamed and retried as all requests are.
/// </summary>
internal sealed class RegularRoutes(
    GatewayOptions options, IControlPlane controlPlane, RequestDispatcher dispatcher, ModelNames models, RequestIds ids,
    GatewayMetrics metrics, RequestLog log, DispatchTelemetry telemetry, TimeProvider clock)
{
    private static readonly string[] Paths =
        ["/v1/embeddings", "/v1/classify", "/v1/rerank", "/v1/score", "/encode", "/classify", "/rerank"];

    /// <summary>For limits: no tokenizer is at hand, and English has about four.</summary>
    private const int BytesPerToken = 4;

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var path in Paths)
        {
            routes.MapMethods(path, ["POST", "PUT"], context => HandleAsync(context, path));
        }
    }

    private async Task HandleAsync(HttpContext context, string path)
    {
        var started = clock.GetTimestamp();
        var sink = new HttpAnswerSink(context, Dialect.Chat, clock);
        var id = ids.Of(context);
        using var span = RequestSpan.Start(telemetry, context, path, id);
        metrics.Started();
        var (reason, side) = ("internal_error", "gateway");
        DispatchReport? report = null;
        try
        {
            var gone = context.RequestAborted;
            using var body = await BodyReader.ReadAsync(context.Request, options.MaxPayloadSize, gone);
            var error = Read(body, path, out var found);
            var account = ClientAuthentication.AccountOf(context);
            var entered = false;
            if (error is null)
            {
                error = account?.Enter(body!.Memory.Length / BytesPerToken);
                entered = error is null;
            }
            if (error is not null)
            {
                (reason, side) = (error.Code, error.Status < 500 ? "client" : "gateway");
                await sink.RefuseAsync(error, gone);
                return;
            }
            try
            {
                var call = CallOf(context, path, body!, found, id, account, span);
                report = (await dispatcher.RunAsync(call, sink, gone))[0];
            }
            finally
            {
                if (entered)
                {
                    account?.Leave();
                }
            }
            (reason, side) = (report.Reason, report.Verdict is { } verdict ? GatewayMetrics.SideOf(verdict.Blame) : "gateway");
            Count(report, started);
            log.Add(new RequestRecord(id, path, clock.GetUtcNow(), [report]));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            (reason, side) = ("client_gone", "client");
        }
        finally
        {
            RequestSpan.End(span, sink.Status, reason, side, report is null ? null : [report]);
            metrics.Ended(path, reason, side, clock.GetElapsedTime(started));
        }
    }

    /// <summary>What is wrong with the request; null when it can be tried.</summary>
    private AnswerError? Read(SharedBody? body, string path, out FoundModel found)
    {
        found = default;
        if (body is null)
        {
            return new AnswerError(413, "payload_too_large", "The request body is larger than --max-payload-size.");
        }
        if (!TryReadModel(body.Memory.Span, out var name))
        {
            return new AnswerError(400, "invalid_request", "The body must be a JSON object.");
        }
        if (!models.TryFind(name, out found, out var error))
        {
            return error;
        }
        var model = found.Model;
        var whose = model is null ? "" : $" of the model '{model}'";
        return controlPlane.Fleet.Regular.Any(w => model is null || w.Model == model || w.Model is null)
            ? null
            : new AnswerError(
                400, "no_regular_workers",
                $"{path} cannot run on prefill-decode pairs; it needs a regular worker{whose} (--worker URL), "
                + "and there is none.");
    }

    private DispatchCall CallOf(
        HttpContext context, string path, SharedBody body, in FoundModel found, string id, ClientAccount? account,
        System.Diagnostics.Activity? span) => new()
        {
            Path = path,
            Body = body,
            Shape = RequestShape.Opaque,
            Pair = new PairRequest
            {
                OnlyRegular = true,
                Model = found.Model,
                Adapters = found.Adapter,
                PromptTokens = Math.Max(1, body.Memory.Length / BytesPerToken),
                MaxNewTokens = 0,
                SessionKey = ForwardedHeaders.SessionOf(context.Request.Headers) is { } session ? SessionHash.Of(session) : 0,
                Priority = account?.Spec.Priority ?? 0,
                MaxWait = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
                RequestId = id,
            },
            Authorization = ClientKey.ForEngines(context),
            Headers = ForwardedHeaders.Of(context.Request.Headers, withTrace: span is null),
            Trace = span?.Context ?? default,
        };

    private void Count(DispatchReport report, long started)
    {
        foreach (var attempt in report.Attempts)
        {
            metrics.Routed(attempt.Lease.RouteExplanation.Route);
            if (attempt.Verdict is { IsSuccess: false } failed)
            {
                metrics.Failed(failed);
            }
        }
        if (report.Attempts.FirstOrDefault(a => a.FirstContentAt != 0) is { } first)
        {
            metrics.HadContent(clock.GetElapsedTime(started, first.FirstContentAt));
        }
    }

    /// <summary>The engine checks the rest of the body; only what chooses the engine is read here.</summary>
    private static bool TryReadModel(ReadOnlySpan<byte> body, out string? model)
    {
        model = null;
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isModel = reader.ValueTextEquals("model"u8);
                reader.Read();
                if (isModel)
                {
                    model = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
                }
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
