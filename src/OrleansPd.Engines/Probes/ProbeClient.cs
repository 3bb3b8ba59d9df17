using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Probes;

/// <summary>HTTP towards engines for probes.</summary>
internal sealed class ProbeClient(IUpstream upstream)
{
    private const int MaxAnswer = 16 * 1024 * 1024;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    public Task<ProbeReply> SendAsync(
        HttpMethod method, Uri url, string? apiKey, byte[]? body, TimeSpan timeout, CancellationToken cancellationToken) =>
        SendAsync(method, url, url.PathAndQuery, apiKey, body, timeout, cancellationToken);

    public Task<ProbeReply> GetAsync(WorkerSpec worker, string path, TimeSpan timeout, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, worker.Url, path, worker.ApiKey, null, timeout, cancellationToken);

    private async Task<ProbeReply> SendAsync(
        HttpMethod method, Uri engine, string path, string? apiKey, byte[]? body, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            var request = new UpstreamRequest
            {
                Engine = engine,
                Path = path,
                Method = method.Method,
                ConnectTimeout = ConnectTimeout,
                Body = body is null ? default : new UpstreamBody(body),
                ApiKey = apiKey,
            };
            try
            {
                return await ExchangeAsync(request, limit.Token).ConfigureAwait(false);
            }
            catch (UpstreamException e) when (e.WasStale && body is null)
            {
                // A question may be asked twice.
                return await ExchangeAsync(request, limit.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ProbeReply.Failed(new($"{path} did not answer in {timeout.TotalSeconds:0.#} s"));
        }
        catch (UpstreamException e)
        {
            var refused = IsRefusal(e);
            return ProbeReply.Failed(new(refused ? "connection refused" : $"{path}: {e.Message}", refused));
        }
    }

    private static bool IsRefusal(Exception? e) =>
        e is not null && (e is SocketException { SocketErrorCode: SocketError.ConnectionRefused } || IsRefusal(e.InnerException));

    private async Task<ProbeReply> ExchangeAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        await using var response = await upstream.SendAsync(request, cancellationToken).ConfigureAwait(false);
        var reply = await EngineReply.ReadAsync(response, MaxAnswer, cancellationToken).ConfigureAwait(false);
        return new ProbeReply((HttpStatusCode)reply.Status, reply.Body, ProbeAnswer.Good);
    }
}

/// <summary>An answer, whatever its status, or why there is none (then the status is 0).</summary>
internal readonly record struct ProbeReply(HttpStatusCode Status, byte[] Body, ProbeAnswer Answer)
{
    public static ProbeReply Failed(ProbeAnswer answer) => new(0, [], answer);

    public bool IsOk => Status == HttpStatusCode.OK;

    /// <summary>The body as a JSON object; null when it is none.</summary>
    public JsonElement? Json() => IsOk && AnyJson() is { ValueKind: JsonValueKind.Object } root ? root : null;

    /// <summary>The body as JSON, whatever the status and the kind; null when it is none.</summary>
    public JsonElement? AnyJson()
    {
        try
        {
            using var document = JsonDocument.Parse(Body);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
