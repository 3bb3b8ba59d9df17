using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Engines.Body;
using OrleansPd.Engines.Dispatch;
using OrleansPd.Engines.Upstream;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Http;

/// <summary>
/// Embeddings and their kin: such models do not split into prefill and decode (protocol §1.5), so a regular worker of the model
/// serves them, the one with the fewest of these calls. An engine that cannot be reached is passed over once for another.
/// </summary>
internal sealed class RegularRoutes(
    GatewayOptions options, IControlPlane controlPlane, IUpstream upstream, ModelNames models, TimeProvider clock)
{
    private static readonly string[] Paths =
        ["/v1/embeddings", "/v1/classify", "/v1/rerank", "/v1/score", "/encode", "/classify", "/rerank"];

    /// <summary>For a key's limit: no tokenizer is at hand, and English has about four.</summary>
    private const int BytesPerToken = 4;

    private readonly Dictionary<WorkerId, int> _open = [];
    private readonly Lock _gate = new();

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var path in Paths)
        {
            routes.MapMethods(path, ["POST", "PUT"], context => RunAsync(context, path));
        }
    }

    private async Task RunAsync(HttpContext context, string path)
    {
        var sink = new HttpAnswerSink(context, Dialect.Chat, clock);
        var gone = context.RequestAborted;
        using var body = await BodyReader.ReadAsync(context.Request, options.MaxPayloadSize, gone).ConfigureAwait(false);
        if (body is null)
        {
            await sink.RefuseAsync(new AnswerError(413, "payload_too_large", "The request body is larger than --max-payload-size."), gone)
                .ConfigureAwait(false);
            return;
        }
        if (!TryReadModel(body.Memory.Span, out var name))
        {
            await sink.RefuseAsync(new AnswerError(400, "invalid_request", "The body must be a JSON object."), gone).ConfigureAwait(false);
            return;
        }
        if (!models.TryFind(name, out var found, out var error))
        {
            await sink.RefuseAsync(error!, gone).ConfigureAwait(false);
            return;
        }
        var account = ClientGate.AccountOf(context);
        if (account?.Enter(body.Memory.Length / BytesPerToken) is { } limited)
        {
            await sink.RefuseAsync(limited, gone).ConfigureAwait(false);
            return;
        }
        try
        {
            await SendAsync(context, path, found.Model, body.Memory, sink).ConfigureAwait(false);
        }
        finally
        {
            account?.Leave();
        }
    }

    private async Task SendAsync(HttpContext context, string path, string? model, ReadOnlyMemory<byte> body, HttpAnswerSink sink)
    {
        var gone = context.RequestAborted;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(options.RequestTimeoutSecs), clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, limit.Token);
        WorkerId avoid = default;
        for (var tries = 0; ; tries++)
        {
            if (Take(model, avoid) is not { } worker)
            {
                await sink.RefuseAsync(Refusal(path, model), gone).ConfigureAwait(false);
                return;
            }
            try
            {
                await RelayAsync(context, worker, path, body, sink, either.Token).ConfigureAwait(false);
                return;
            }
            catch (UpstreamException e) when (sink.Status == 0)
            {
                if (!e.NeverSent || tries > 0)
                {
                    await sink.RefuseAsync(new AnswerError(502, "engine_failed", "The engine gave no answer."), gone).ConfigureAwait(false);
                    return;
                }
                avoid = worker.Id;
            }
            catch (UpstreamException)
            {
                // Half of the answer is out; only a broken connection tells that it is not whole.
                context.Abort();
                return;
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && sink.Status == 0)
            {
                await sink.RefuseAsync(new AnswerError(504, "timeout", "The engine gave no answer in time."), gone).ConfigureAwait(false);
                return;
            }
            finally
            {
                GiveBack(worker.Id);
            }
        }
    }

    private async Task RelayAsync(
        HttpContext context, WorkerSnapshot worker, string path, ReadOnlyMemory<byte> body, HttpAnswerSink sink, CancellationToken stop)
    {
        await using var response = await upstream.SendAsync(
            new UpstreamRequest
            {
                Engine = worker.Url,
                Path = path,
                Body = new UpstreamBody(body),
                Authorization = worker.ApiKey is { } key ? "Bearer " + key : ClientKey.ForEngines(context),
                Headers = ForwardedHeaders.Of(context.Request.Headers),
            },
            stop).ConfigureAwait(false);
        await sink.StartAsync(new AnswerHead(response.Status, response.ContentType), stop).ConfigureAwait(false);
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await response.ReadAsync(chunk, stop).ConfigureAwait(false)) > 0)
        {
            await sink.WriteAsync(chunk.AsMemory(0, read), stop).ConfigureAwait(false);
        }
    }

    private WorkerSnapshot? Take(string? model, WorkerId avoid)
    {
        lock (_gate)
        {
            var worker = controlPlane.Fleet.Regular
                .Where(w => w.IsPairable && (model is null || w.Model == model))
                .OrderBy(w => w.Id == avoid).ThenBy(w => _open.GetValueOrDefault(w.Id)).FirstOrDefault();
            if (worker is not null)
            {
                _open[worker.Id] = _open.GetValueOrDefault(worker.Id) + 1;
            }
            return worker;
        }
    }

    private void GiveBack(WorkerId id)
    {
        lock (_gate)
        {
            if (--_open[id] == 0)
            {
                _open.Remove(id);
            }
        }
    }

    private AnswerError Refusal(string path, string? model)
    {
        var there = controlPlane.Fleet.Regular.Any(w => model is null || w.Model == model);
        return there
            ? new AnswerError(503, "no_healthy_workers", $"No regular worker that could serve {path} is ready.")
            : new AnswerError(
                400, "no_regular_workers",
                $"{path} cannot run on prefill-decode pairs; it needs a regular worker{(model is null ? "" : $" of the model '{model}'")} "
                + "(--worker URL), and there is none.");
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
